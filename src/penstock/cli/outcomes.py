"""What came of a change or a deletion: told on stderr, and waited for."""

from typing import TYPE_CHECKING

from penstock.cli.errors import notice
from penstock.cli.progress import Progress

if TYPE_CHECKING:
    from penstock.client.client import Client
    from penstock.client.resources import AnyApplied, AnyRemote


def tell(noun: str, applied: "AnyApplied") -> None:
    """What the user should know of the change, and whether it changed anything."""
    for sentence in (*applied.notices, applied.message):
        if sentence:
            notice(sentence)
    notice(f"{noun} {applied.resource.name!r} {applied.change}")


def finished(client: "Client", noun: str, applied: "AnyApplied", *, no_wait: bool, quiet: bool = False) -> "AnyRemote":
    """The resource after the change, once that has come into effect; `quiet`: no word about the wait."""
    tell(noun, applied)
    resource = applied.resource
    if no_wait:
        return resource
    if quiet:
        return client.wait(resource.kind, resource.name, resource.generation)
    return client.wait(resource.kind, resource.name, resource.generation, on_progress=Progress())


def gone(client: "Client", what: str, going: "AnyRemote | None", *, no_wait: bool = False) -> None:
    """Wait until what is `going` is gone; None if there was none."""
    if going is not None and not no_wait:
        client.wait_gone(going, on_progress=Progress())
    notice(f"there is no {what}" if going is None else f"{what} is deleted")
