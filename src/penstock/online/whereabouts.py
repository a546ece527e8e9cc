"""Where requests and probes of an instance go. For containers it is noted in a file, as their ports are chosen anew
at each start and a control plane that comes later must find them."""

from pathlib import Path

from pydantic import ValidationError

from penstock import durable
from penstock.domain.resource import Frozen
from penstock_worker import contract

_LONGEST = 4096  # bytes of such a file


class Question(Frozen):
    """A probe: 200 to a GET of `path` at `address` is yes. An address is a unix socket's path, or 127.0.0.1:PORT."""

    address: str
    path: str


class Whereabouts(Frozen):
    """`address` is where scoring requests go. A container may run any server, which need not write a report."""

    address: str
    liveness: Question
    readiness: Question
    in_container: bool = False


def of_process(socket: Path) -> Whereabouts:
    """Those of a worker that listens on `socket`."""
    address = str(socket)
    return Whereabouts(
        address=address,
        liveness=Question(address=address, path=contract.LIVENESS_ROUTE),
        readiness=Question(address=address, path=contract.READINESS_ROUTE),
    )


def note(path: Path, whereabouts: Whereabouts) -> None:
    """Keep them at `path`."""
    durable.replace(path, whereabouts.model_dump_json().encode())


def noted(path: Path) -> Whereabouts | None:
    """What `note` kept at `path`; None if there is nothing that can be read."""
    try:
        with path.open("rb") as file:
            return Whereabouts.model_validate_json(file.read(_LONGEST))
    except (OSError, ValidationError):
        return None
