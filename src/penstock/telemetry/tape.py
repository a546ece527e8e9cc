"""Requests with their answers, as instances keep the last ones while somebody wants them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A scoring request and its answer, bodies as they were sent and uncompressed.

    `request_id` is the same for a request and for its copy to a mirror: they are told apart by the deployment.
    """

    instance: str
    request_id: str
    at: datetime  # of the answer
    seconds: float  # in the instance
    status: int  # of the instance: what the gateway turns into 424 is 500 here
    content_type: str
    request: bytes
    answer: bytes


class Tapes(Protocol):
    """Instances keep no exchanges unless somebody has asked for them, and then the last ones within bounds of memory.

    Where `share` is below 1, the request ids decide which exchanges are kept, so that a request and its copy are
    either both kept or both left out. Bodies above the instance's bound, streamed answers, and servers of the user's
    own in containers leave nothing on tape.
    """

    def roll(self, endpoint: str, deployment: str, lasting: timedelta, share: float = 1.0) -> None:
        """Have the deployment's present and future instances keep exchanges for so long from now."""
        ...

    def exchanges(self, endpoint: str, deployment: str, since: datetime) -> Sequence[Exchange]:
        """Those that are kept and were answered after `since`, oldest first; of instances that answer in time."""
        ...
