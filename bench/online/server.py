"""What is measured: something that answers at a target, and the processes that do the work, stage by stage."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psutil
from models import Trained
from processes import Memory
from target import Target, label_of

Stages = Mapping[str, Sequence[psutil.Process]]


@dataclass(frozen=True, kw_only=True)
class Server:
    """`constant`: it answers without a model, so its answers say nothing. `start_seconds`: to the first right answer.

    `endpoint` is the name of it on Penstock.
    """

    name: str
    target: Target
    stages: Callable[[], Stages]
    peer: bool = False
    constant: bool = False
    endpoint: str = ""
    start_seconds: float | None = None
    idle: Memory | None = None

    def body(self, model: Trained) -> bytes:
        return self.target.body(model.columns, model.rows[0])


def wrong_answers(server: Server, model: Trained, number: int, answers: Sequence[tuple[int, bytes]]) -> list[str]:
    """What is wrong with the answers to the first `number` questions, which go round the model's rows."""
    faults = []
    for place, (status, body) in enumerate(answers[:number]):
        label = model.labels[place % len(model.labels)]
        if status != 200:
            faults.append(f"request {place}: status {status} {body[:200]!r}")
        elif not server.constant and (found := _label(body)) != label:
            faults.append(f"request {place}: {found!r} instead of {label!r}")
    return faults


def _label(body: bytes) -> object:
    try:
        return label_of(body)
    except ValueError as err:
        return str(err)
