"""Scoring: requests are read as they come, run alone or in batches, and answered, whatever the user's code does."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any, Callable

from penstock_worker.batching import Pace, batch_of
from penstock_worker.inflight import Inflight, Verdict, poison_response
from penstock_worker.logs import log, write_error
from penstock_worker.messages import NOT_FAILED, BadInputError, Request, Response, json_response, message_response
from penstock_worker.scoring_timeout import ScoringTimeoutError
from penstock_worker.script_answers import FAILED
from penstock_worker.stages import Stages
from penstock_worker.trace import summary, user_traceback

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock_worker.counters import Counters
    from penstock_worker.entry import Call, Entry, Reader

_RUN_FAILED = message_response(
    500, "An unexpected error occurred in scoring script. Check the logs for more info.", FAILED
)
_INTERNAL = message_response(500, "An unexpected internal error occurred. Check the logs for more info.", NOT_FAILED)

Deliver = Callable[[Response], None]
Later = Callable[[Callable[[], None]], object]  # runs a function at the end of the loop's turn


class Exchange:
    """A request under way: what it asks for, who waits for the answer, and when it arrived and was read."""

    request: Request
    call: Call
    __slots__ = ("arrived", "call", "deliver", "lines", "read", "request", "started")

    def __init__(self, deliver: Deliver, lines: bytes, arrived: float) -> None:
        self.deliver = deliver
        self.lines = lines  # headers that its answer carries, whatever becomes of it
        self.arrived = arrived
        self.started = self.read = perf_counter()


class Scorer:
    """Answers requests with `entry`, on one thread.

    What waits is taken into one batch; nothing is ever waited for on purpose: the requests that one turn of the loop
    has read are run together at its end, and those that arrive meanwhile make the next batch.
    """

    def __init__(
        self, entry: Entry, counters: Counters, timeout: float | None = None, inflight: Inflight | None = None
    ) -> None:
        self.stages = Stages()
        self._entry = entry
        self._counters = counters
        self._timeout = timeout
        self._inflight = inflight or Inflight(None)
        self._pace = Pace()
        self._waiting: deque[Exchange] = deque()
        self._scheduled = False
        self.later: Later = lambda function: function()  # the loop's call_soon, once there is a loop

    def take(self, request: Request, read: Reader, deliver: Deliver, lines: bytes = b"") -> None:
        """Answer `request`, now or at the end of this turn; `deliver` is called exactly once.

        The answer carries the header `lines`, whatever becomes of it.
        """
        exchange = Exchange(deliver, lines, request.arrived)
        exchange.request = request
        verdict = self._inflight.admit(request)
        if verdict is Verdict.REFUSE:
            self._counters.add("penstock_requests_poison_total")
            self._counters.add("penstock_requests_failed_total")
            self._deliver(exchange, poison_response())
            return
        try:
            call = exchange.call = read(request)
        except BadInputError as error:
            self._deliver(exchange, self._refused(error))
            return
        except BaseException as error:  # noqa: BLE001 - conversions of the user's own may raise anything
            self._deliver(exchange, self._failed(error))
            return
        exchange.read = perf_counter()
        if call.group is None or not self._entry.batch_rows or verdict is Verdict.ALONE:
            self._run_alone(exchange)
            return
        self._waiting.append(exchange)
        if not self._scheduled:
            self._scheduled = True
            self.later(self._look)

    def _look(self, seen: int = 0) -> None:
        """Take in what has come while the last turn was made, until one brings nothing or there is enough to run."""
        waiting = len(self._waiting)
        if seen < waiting < self._entry.batch_rows:
            self.later(lambda: self._look(waiting))
        else:
            self._flush()

    def _flush(self) -> None:
        self._scheduled = False
        while self._waiting:
            batch = batch_of(self._waiting, self._entry.batch_rows, self._pace, self._timeout)
            if len(batch) == 1:
                self._run_alone(batch[0])
            else:
                self._run_together(batch)

    def _run_alone(self, exchange: Exchange) -> None:
        began = perf_counter()
        try:
            result = self._entry.run(exchange.call)
        except BadInputError as error:
            self._deliver(exchange, self._refused(error))
        except BaseException as error:  # noqa: BLE001 - the user's code: SystemExit in run() must not end the process
            self._deliver(exchange, self._failed(error))
        else:
            ended = perf_counter()
            self._pace.note(exchange.call.rows, ended - began)
            self._answer(exchange, result, began, ended, 1)

    def _run_together(self, batch: Sequence[Exchange]) -> None:
        began = perf_counter()
        try:
            results = self._entry.run_batch([exchange.call for exchange in batch])
        except BaseException as error:  # noqa: BLE001 - one request of the batch may be at fault: each gets its own run
            self._counters.add("penstock_batches_replayed_total")
            log.warning("a batch of %d requests failed and is run one by one: %s", len(batch), summary(error))
            for exchange in batch:
                self._run_alone(exchange)
            return
        ended = perf_counter()
        self._pace.note(sum(exchange.call.rows for exchange in batch), ended - began)
        self._counters.add("penstock_batches_total")
        for exchange, result in zip(batch, results):  # noqa: B905 - Python 3.9
            if isinstance(result, Exception):  # of this request alone, told by a script's run_batch()
                self._deliver(exchange, self._failed(result))
            else:
                self._answer(exchange, result, began, ended, len(batch))

    def _answer(self, exchange: Exchange, result: Any, began: float, ended: float, batch: int) -> None:
        call = exchange.call
        encoding = perf_counter()
        try:
            status, body, lines, stream = call.answer(result)
        except Exception as error:  # noqa: BLE001 - a result may raise anything while it is turned into bytes
            self._counters.add("penstock_requests_failed_total")
            self._deliver(exchange, _logged(error, _INTERNAL))
            return
        lines = b"%bx-ms-run-fn-exec-ms: %.3f\r\n%b" % (lines, (ended - began) * 1000, exchange.lines)
        self._inflight.done(exchange.request)
        exchange.deliver(Response(status, body, lines, stream))
        read, started = exchange.read, exchange.started
        parsed = call.parsed or read
        wait = started - exchange.arrived + began - read
        answered = perf_counter()
        encode, took = answered - encoding, answered - exchange.arrived
        stages = self.stages
        stages.note((wait, parsed - started, read - parsed, ended - began, encode, call.rows, batch, status, took))
        stages.answered += 1
        if stages.answered >= stages.due:
            stages.totals()

    def _deliver(self, exchange: Exchange, response: Response) -> None:
        self._inflight.done(exchange.request)
        exchange.deliver(response._replace(lines=response.lines + exchange.lines))
        self.stages.note_other(response.status, perf_counter() - exchange.arrived)

    def _refused(self, error: BadInputError) -> Response:
        self._counters.add("penstock_requests_refused_total")
        return json_response(error.status, error.body, NOT_FAILED)

    def _failed(self, error: BaseException) -> Response:
        self._counters.add("penstock_requests_failed_total")
        return _logged(error, error.response if isinstance(error, ScoringTimeoutError) else _RUN_FAILED)


def _logged(error: BaseException, response: Response) -> Response:
    # Neither a lack of memory nor one of room for the log may keep the answer from the caller.
    with suppress(MemoryError):
        write_error(user_traceback(error))
    return response
