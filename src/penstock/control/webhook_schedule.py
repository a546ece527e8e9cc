"""How often a delivery is tried and what its status becomes after each try. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from penstock.domain.events import Event
from penstock.domain.webhook import MOST_DEAD, MOST_DELIVERIES, Attempts, DeadLetter, Delivery, WebhookStatus

FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(hours=24)  # since the first try
GONE = 410  # the receiver is no more, in the words of CloudEvents' web hooks
_DOUBLINGS = 20  # enough to be past LONGEST_PAUSE; bounds the arithmetic


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The receiver's answer, `status` 0 if there was none; `retry_after` is how long it asks to be left alone."""

    status: int = 0
    seconds: float = 0.0
    error: str = ""
    retry_after: timedelta = timedelta()

    @property
    def delivered(self) -> bool:
        return 200 <= self.status < 300


def pause(tries: int, chance: float, retry_after: timedelta = timedelta()) -> timedelta:
    """The wait after so many tries: doubling from a second to an hour, of which `chance` (0 to 1) takes up to half.

    Not less than the receiver asks for, up to an hour.
    """
    whole = min(FIRST_PAUSE * 2 ** min(max(tries - 1, 0), _DOUBLINGS), LONGEST_PAUSE)
    return max(whole * (1 - chance / 2), min(retry_after, LONGEST_PAUSE))


def after_try(status: WebhookStatus, event: Event, outcome: Outcome, now: datetime, chance: float) -> WebhookStatus:
    """The status after one try of the next event: settled if it was delivered or given up, else tried again."""
    before = status.attempts if status.attempts is not None and status.attempts.event == event.id else None
    tries, first_at = (before.tries + 1, before.first_at) if before is not None else (1, now)
    if outcome.delivered:
        settled = _delivered(status, event, outcome, now, tries)
        return settled.model_copy(update={"position": event.id, "attempts": None})
    if now - first_at >= GIVEN_UP_AFTER:
        settled = _given_up(status, event, outcome, now, tries)
        return settled.model_copy(update={"position": event.id, "attempts": None})
    next_at = min(now + pause(tries, chance, outcome.retry_after), first_at + GIVEN_UP_AFTER)
    attempts = Attempts(event=event.id, tries=tries, first_at=first_at, next_at=next_at, error=outcome.error)
    return status.model_copy(update={"attempts": attempts})


def after_replay(status: WebhookStatus, event: Event, outcome: Outcome, now: datetime) -> WebhookStatus:
    """The status after a dead letter was sent again: it is one no longer, or stays one with what came of it."""
    old = next((letter for letter in status.dead if letter.event == event.id), None)
    tries = (old.tries if old is not None else 0) + 1
    waiting = tuple(each for each in status.replay if each != event.id)
    rest = tuple(letter for letter in status.dead if letter.event != event.id)
    status = status.model_copy(update={"replay": waiting, "dead": rest})
    if outcome.delivered:
        return _delivered(status, event, outcome, now, tries)
    return _given_up(status, event, outcome, now, tries)


def _delivered(status: WebhookStatus, event: Event, outcome: Outcome, now: datetime, tries: int) -> WebhookStatus:
    return status.model_copy(
        update={
            "delivered": status.delivered + 1,
            "deliveries": (*status.deliveries, _delivery(event, outcome, now, tries))[-MOST_DELIVERIES:],
        }
    )


def _given_up(status: WebhookStatus, event: Event, outcome: Outcome, now: datetime, tries: int) -> WebhookStatus:
    letter = DeadLetter(event=event.id, reason=event.reason, at=now, tries=tries, error=outcome.error)
    return status.model_copy(
        update={
            "dead": (*status.dead, letter)[-MOST_DEAD:],
            "deliveries": (*status.deliveries, _delivery(event, outcome, now, tries))[-MOST_DELIVERIES:],
        }
    )


def _delivery(event: Event, outcome: Outcome, now: datetime, tries: int) -> Delivery:
    return Delivery(
        event=event.id,
        reason=event.reason,
        at=now,
        tries=tries,
        status=outcome.status,
        seconds=round(outcome.seconds, 3),
        error=outcome.error,
    )
