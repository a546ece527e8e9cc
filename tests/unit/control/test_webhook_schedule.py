"""How often a delivery is tried, and what becomes of it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from penstock.control.webhook_schedule import (
    GIVEN_UP_AFTER,
    LONGEST_PAUSE,
    Outcome,
    after_replay,
    after_try,
    pause,
)
from penstock.domain.events import Event
from penstock.domain.webhook import MOST_DEAD, MOST_DELIVERIES, WebhookStatus

NOW = datetime(2030, 1, 1, tzinfo=UTC)
DOWN = Outcome(error="no answer")
GOOD = Outcome(status=204, seconds=0.01)


def an_event(number: int) -> Event:
    return Event(
        id=number, at=NOW, kind="online-endpoint", name="fraud", reason="Created", message="it was", actor="a@h"
    )


@given(st.integers(1, 10_000), st.floats(0, 1), st.integers(0, 10**6))
def test_pauses_double_up_to_an_hour_and_jitter_takes_half_at_most(tries: int, chance: float, asked: int) -> None:
    whole = min(timedelta(seconds=1) * 2 ** min(tries - 1, 20), LONGEST_PAUSE)
    wanted = min(timedelta(seconds=asked), LONGEST_PAUSE)
    assert max(whole / 2, wanted) <= pause(tries, chance, timedelta(seconds=asked)) <= max(whole, wanted)


@given(st.floats(0, 1))
def test_a_receiver_that_stays_away_is_tried_for_a_day_and_not_longer(chance: float) -> None:
    status, now, tries = WebhookStatus(position=4), NOW, 0
    while not status.dead:
        tries += 1
        status = after_try(status, an_event(5), DOWN, now, chance)
        if status.attempts is not None:
            assert status.attempts.next_at > now
            assert status.position == 4
            now = status.attempts.next_at
    assert now - NOW == GIVEN_UP_AFTER
    assert 30 < tries < 70
    assert (status.position, status.attempts, status.dead[0].tries) == (5, None, tries)


def test_an_answer_settles_an_event_and_the_next_one_begins_afresh() -> None:
    status = after_try(WebhookStatus(position=4), an_event(5), DOWN, NOW, 0.0)
    status = after_try(status, an_event(5), GOOD, NOW, 0.0)
    assert (status.position, status.delivered, status.attempts) == (5, 1, None)
    assert [(d.event, d.tries, d.status) for d in status.deliveries] == [(5, 2, 204)]
    status = after_try(status, an_event(6), DOWN, NOW + GIVEN_UP_AFTER, 0.0)
    assert status.attempts is not None
    assert status.attempts.tries == 1


def test_a_replayed_letter_is_dead_no_longer_or_dead_again_with_the_new_fault() -> None:
    status = WebhookStatus(position=5)
    for moment in (NOW, NOW + GIVEN_UP_AFTER):
        status = after_try(status, an_event(6), DOWN, moment, 0.0)
    asked = status.model_copy(update={"replay": (6,)})
    again = after_replay(asked, an_event(6), Outcome(status=500, error="answered 500"), NOW)
    assert (again.replay, [(d.event, d.tries, d.error) for d in again.dead]) == ((), [(6, 3, "answered 500")])
    done = after_replay(asked, an_event(6), GOOD, NOW)
    assert (done.replay, done.dead, done.delivered, done.position) == ((), (), 1, 6)


def test_what_a_status_tells_of_is_bounded() -> None:
    status = WebhookStatus(position=0)
    for number in range(1, MOST_DEAD + 20):
        status = after_replay(status, an_event(number), DOWN, NOW)
    assert (len(status.dead), len(status.deliveries)) == (MOST_DEAD, MOST_DELIVERIES)
    assert status.dead[-1].event == MOST_DEAD + 19
