"""What waits is run together, and nobody notices: each request gets its own answer, and suffers for itself alone."""

import json
from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_worker.batching import Pace, batch_of
from penstock_worker.counters import Counters
from penstock_worker.entry import Call
from penstock_worker.messages import BadInputError, Request, Response, json_response
from penstock_worker.scoring import Exchange, Scorer

MOST_ROWS = 8


class Doubler:
    """Doubles numbers, counts its runs, and fails on what it is told to fail on."""

    batch_rows = MOST_ROWS

    def __init__(self, fails_on: Sequence[int] = (), refuses: Sequence[int] = ()) -> None:
        self.batches: list[int] = []
        self._fails_on = fails_on
        self._refuses = refuses

    def read(self, request: Request) -> Call:
        values, group = json.loads(request.body)
        if set(values) & set(self._refuses):
            raise BadInputError({"message": "refused"})
        return Call(values, lambda result: json_response(200, result), len(values), group)

    def run(self, call: Call) -> Any:
        self.batches.append(1)
        return self._doubled(call.input)

    def run_batch(self, calls: Sequence[Call]) -> list[Any]:
        self.batches.append(len(calls))
        return [self._doubled(call.input) for call in calls]

    def _doubled(self, values: list[int]) -> list[int]:
        if set(values) & set(self._fails_on):
            raise ValueError(f"cannot double {values}")
        return [2 * value for value in values]


class Desk:
    """A scorer whose turns end when `turn` is called."""

    def __init__(self, entry: Doubler) -> None:
        self.entry = entry
        self.counters = Counters()
        self.scorer = Scorer(entry, self.counters)
        self.answers: dict[int, list[Response]] = {}
        self._later: list[Callable[[], None]] = []
        self.scorer.later = self._later.append

    def send(self, values: list[int], group: str | None = "g") -> None:
        answers = self.answers.setdefault(len(self.answers), [])
        body = json.dumps([values, group]).encode()
        request = Request("POST", "/score", "", {}, body, perf_counter())
        self.scorer.take(request, self.entry.read, answers.append, b"x-mark: 1\r\n")

    def turn(self) -> None:
        while self._later:
            self._later.pop(0)()

    def outcomes(self) -> list[tuple[int, Any]]:
        assert all(len(answers) == 1 for answers in self.answers.values())
        return [(answer.status, json.loads(answer.body)) for [answer] in self.answers.values()]


def test_what_arrives_in_one_turn_is_run_together_and_each_gets_its_own_rows() -> None:
    desk = Desk(Doubler())
    for values in ([1], [2, 3], [4]):
        desk.send(values)
    assert not any(desk.answers.values())
    desk.turn()
    assert desk.outcomes() == [(200, [2]), (200, [4, 6]), (200, [8])]
    assert desk.entry.batches == [3]
    assert all(b"x-mark: 1\r\n" in answer.lines for [answer] in desk.answers.values())
    assert [(spans.batch, spans.rows) for spans in desk.scorer.stages.last()] == [(3, 1), (3, 2), (3, 1)]


def test_a_lone_request_waits_for_nobody() -> None:
    desk = Desk(Doubler())
    desk.send([1], group=None)
    assert desk.outcomes() == [(200, [2])]


def test_one_failing_request_fails_alone(capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(Doubler(fails_on=[13], refuses=[14]))
    for values in ([1], [13], [14], [2]):
        desk.send(values)
    desk.turn()
    assert [status for status, _ in desk.outcomes()] == [200, 500, 400, 200]
    assert desk.entry.batches == [3, 1, 1, 1]
    assert desk.counters.value("penstock_batches_replayed_total") == 1
    assert "cannot double [13]" in capsys.readouterr().err


@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 20), min_size=1, max_size=MOST_ROWS + 4), st.sampled_from(["g", "h", None])),
        max_size=40,
    )
)
def test_every_request_is_answered_once_with_its_own_answer(requests: list[tuple[list[int], str | None]]) -> None:
    desk = Desk(Doubler(fails_on=[20]))
    for values, group in requests:
        desk.send(values, group)
    desk.turn()
    assert [status for status, _ in desk.outcomes()] == [500 if 20 in values else 200 for values, _ in requests]
    for (status, body), (values, _) in zip(desk.outcomes(), requests, strict=True):
        assert status == 500 or body == [2 * value for value in values]


def exchange(rows: int, group: str = "g", arrived: float | None = None) -> Exchange:
    made = Exchange(lambda _: None, b"", perf_counter() if arrived is None else arrived)
    made.call = Call(None, lambda _: Response(200, b"", b""), rows, group)
    return made


def test_a_batch_is_no_longer_than_its_oldest_request_can_wait_for() -> None:
    pace = Pace()
    pace.note(rows=10, seconds=1000.0)
    waiting = deque(exchange(1) for _ in range(64))
    assert len(batch_of(waiting, 64, pace, timeout=2000.0)) == 9  # half of what is left until the deadline, just begun
    overdue = deque([exchange(1, arrived=perf_counter() - 6000), exchange(1)])
    assert len(batch_of(overdue, 64, pace, timeout=2000.0)) == 1
    assert len(overdue) == 1


def test_other_groups_keep_their_turn() -> None:
    waiting = deque([exchange(1, "a"), exchange(1, "b"), exchange(1, "a"), exchange(1, "b")])
    assert [each.call.group for each in batch_of(waiting, 64, Pace(), None)] == ["a", "a"]
    assert [each.call.group for each in waiting] == ["b", "b"]
