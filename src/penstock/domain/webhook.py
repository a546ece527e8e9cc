"""Webhooks: where recorded events are sent, which ones, and how far that has come."""

from datetime import datetime
from fnmatch import fnmatchcase
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator

from penstock.domain.events import Event
from penstock.domain.resource import Frozen, Kind, Status

MOST_DELIVERIES = 50  # that a status tells of
MOST_DEAD = 1000  # dead letters that are kept; older ones stay in the event log
_LONGEST_URL = 2000

Glob = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Globs = Annotated[tuple[Glob, ...], Field(min_length=1, max_length=50)]


class EventFilter(Frozen):
    """Which events are sent: those of which reason, kind and name each match one of the patterns (`*` and `?`)."""

    reasons: Globs = ("*",)
    kinds: Globs = ("*",)
    names: Globs = ("*",)

    def takes(self, event: Event) -> bool:
        pairs = ((event.reason, self.reasons), (event.kind, self.kinds), (event.name, self.names))
        return all(any(fnmatchcase(text, glob) for glob in globs) for text, globs in pairs)


class Webhook(Frozen):
    """The file of a webhook. Its secret is no part of it: that lies in the home folder and nowhere else.

    While it is not `enabled`, events wait.
    """

    type: Literal["webhook"] = "webhook"
    name: str | None = None
    description: str | None = None
    url: str
    events: EventFilter = EventFilter()
    enabled: bool = True

    @field_validator("url")
    @classmethod
    def _can_be_called(cls, url: str) -> str:
        if len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError(f"give an ASCII URL of at most {_LONGEST_URL} characters, without spaces")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("give an http or https URL")
        if parts.username is not None or parts.password is not None or parts.fragment:
            raise ValueError("leave user, password and fragment out of the URL: calls are signed with the secret")
        _ = parts.port  # raises for one that is no number
        return url


class Attempts(Frozen):
    """What has been tried in vain for the event that is next."""

    event: int
    tries: int
    first_at: datetime
    next_at: datetime
    error: str


class Delivery(Frozen):
    """An event that was sent, at the try that settled it; `status` is the receiver's, 0 if there was no answer."""

    event: int
    reason: str
    at: datetime
    tries: int
    status: int
    seconds: float
    error: str = ""


class DeadLetter(Frozen):
    """An event that was given up."""

    event: int
    reason: str
    at: datetime
    tries: int
    error: str


class WebhookStatus(Status):
    """`position` is the id of the event up to which all are settled: delivered, given up, or not asked for.

    `replay` are ids of dead letters that somebody wants sent again. `gone_generation` is the one that the receiver
    answered 410 to: it gets nothing more until the webhook is changed.
    """

    position: int | None = None
    delivered: int = 0
    attempts: Attempts | None = None
    deliveries: tuple[Delivery, ...] = ()
    dead: tuple[DeadLetter, ...] = ()
    replay: tuple[int, ...] = ()
    gone_generation: int = 0


WEBHOOK: Kind[Webhook, WebhookStatus] = Kind("webhook", Webhook, WebhookStatus)


class WebhookTest(Frozen):
    """What a test found: whether the receiver agrees to be sent events, and its answer to one.

    `handshake` is `allowed`, `denied`, or `unanswered`, which most receivers are that do not know it.
    """

    handshake: Literal["allowed", "denied", "unanswered"]
    status: int
    seconds: float
    error: str = ""


class SecretRequest(Frozen):
    """A secret to sign with; `only_if_absent` leaves one that there is."""

    secret: str = Field(min_length=16, max_length=500, repr=False)
    only_if_absent: bool = False


class ReplayRequest(Frozen):
    """Which dead letters are to be sent again; all of them without ids."""

    events: tuple[int, ...] = ()
