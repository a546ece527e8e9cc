"""The client that a command speaks through. Importing it costs a tenth of a second, so it waits until then."""

from typing import TYPE_CHECKING

from penstock.cli.progress import Wait

if TYPE_CHECKING:
    from penstock.client.client import Client


def connect() -> "Client":
    """A client of the platform that the environment names, to be used in a `with`."""
    from penstock.client.client import Client

    return Client(on_waiting=Wait())
