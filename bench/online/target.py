"""Where a server is asked, and how: the same row in the form that each server takes."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Form = Callable[[Sequence[str], Sequence[float]], Any]


def data(_: Sequence[str], row: Sequence[float]) -> Any:
    return {"data": [row]}


def azure(columns: Sequence[str], row: Sequence[float]) -> Any:
    return {"input_data": {"columns": columns, "data": [row]}}


def mlflow(columns: Sequence[str], row: Sequence[float]) -> Any:
    return {"dataframe_split": {"columns": columns, "data": [row]}}


def instances(_: Sequence[str], row: Sequence[float]) -> Any:
    return {"instances": [row]}


def open_inference(_: Sequence[str], row: Sequence[float]) -> Any:
    return {"inputs": [{"name": "rows", "shape": [1, len(row)], "datatype": "FP64", "data": list(row)}]}


@dataclass(frozen=True, kw_only=True)
class Target:
    """`place` is a port of the loopback, or the path of a unix socket."""

    place: int | str
    path: str
    form: Form
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self, columns: Sequence[str], row: Sequence[float]) -> bytes:
        return json.dumps(self.form(columns, row), separators=(",", ":")).encode()

    def request(self, body: bytes) -> bytes:
        lines = [f"POST {self.path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(lines).encode() + body


def label_of(body: bytes) -> Any:
    """The first prediction in an answer, whichever form it has. Raises ValueError if there is none."""
    answer = json.loads(body)
    try:
        if isinstance(answer, dict) and "outputs" in answer:
            answer = answer["outputs"][0]["data"]
        elif isinstance(answer, dict):
            answer = answer["predictions"]
        return answer[0]
    except (KeyError, IndexError, TypeError) as err:
        raise ValueError(f"no prediction in {body[:200]!r}") from err
