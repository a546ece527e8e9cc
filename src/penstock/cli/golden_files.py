"""Golden files: a golden request in each line, as JSON. Empty lines, and those that begin with #, are passed over."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from penstock.cli.documents import read_bytes
from penstock.domain.errors import invalid
from penstock.domain.fields import parse
from penstock.domain.golden import MOST_REQUESTS, GoldenRequest

_MOST_BYTES = 24 * 1024 * 1024  # what the platform takes at once, and room for how it is sent


def read_golden(path: Path) -> Sequence[GoldenRequest]:
    """The requests of a file; raises `invalid` naming the line that is faulty."""
    try:
        text = read_bytes(path, "--file", _MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise invalid(f"{path} is not UTF-8 text") from None
    found = [
        _read_line(line, f"{path}, line {number}")
        for number, line in enumerate(text.split("\n"), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not 0 < len(found) <= MOST_REQUESTS:
        raise invalid(f"{path} holds {len(found)} golden requests: give 1 to {MOST_REQUESTS}")
    return found


def write_golden(path: Path, requests: Iterable[GoldenRequest], *, force: bool) -> None:
    """Write a new file; raises `invalid` if there is one already, unless `force` is given."""
    lines = [json.dumps(_fields(request), ensure_ascii=False) for request in requests]
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
    except FileExistsError:
        raise invalid(f"{path} exists: give --force to replace it") from None
    except OSError as err:
        raise invalid(f"{path} cannot be written: {err.strerror}") from None


def _fields(request: GoldenRequest) -> dict[str, object]:
    return request.model_dump(mode="json", exclude_defaults=True)


def _read_line(line: str, what: str) -> GoldenRequest:
    try:
        fields: object = json.loads(line)
    except (ValueError, RecursionError) as err:
        raise invalid(f"{what}: this is not JSON: {err}") from None
    return parse(GoldenRequest, fields, what)
