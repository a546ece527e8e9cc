"""Validations that wait, run and have ended. They are kept in memory: a control plane that starts anew knows none."""

import logging
import threading
from queue import SimpleQueue

from penstock.control.clock import Clock
from penstock.domain.errors import not_found, unavailable
from penstock.domain.resource import Condition, Truth, with_condition
from penstock.domain.validation import Validation, ValidationRequest, ValidationState
from penstock.online.assembly import Failure
from penstock.online.rehearsal import Rehearsal
from penstock.online.verdicts import Row

log = logging.getLogger(__name__)

_MOST_WAITING = 8
_MOST_KEPT = 50


class Validations:
    """Runs one at a time, in a thread of its own."""

    def __init__(self, rehearsal: Rehearsal, clock: Clock) -> None:
        self._rehearsal = rehearsal
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Validation] = {}  # oldest first
        self._requests: SimpleQueue[ValidationRequest | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="validations", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and the process of the validation that runs."""
        self._rehearsal.stopping.set()
        self._requests.put(None)
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

    def begin(self, request: ValidationRequest) -> Validation:
        """Have it run when its turn comes; the same id again returns what is known of it.

        Raises `unavailable` if too many wait.
        """
        with self._lock:
            known = self._known.get(request.id)
            if known is not None:
                return known
            if sum(v.state is ValidationState.QUEUED for v in self._known.values()) >= _MOST_WAITING:
                raise unavailable(f"{_MOST_WAITING} validations wait already: try again in a while")
            begun = Validation(id=request.id, state=ValidationState.QUEUED, created_at=self._clock.now())
            self._known[request.id] = begun
            self._forget_oldest()
        self._requests.put(request)
        return begun

    def get(self, name: str) -> Validation:
        """How far the validation of that id is. Raises `not_found` for one that is not known, or no more."""
        with self._lock:
            known = self._known.get(name)
        if known is None:
            raise not_found(f"validation {name!r} is not known: the platform was started anew since, or it is long ago")
        return known

    def _work(self) -> None:
        self._rehearsal.end_leftovers()
        while (request := self._requests.get()) is not None and not self._rehearsal.stopping.is_set():
            self._change(request.id, state=ValidationState.RUNNING)
            failure = self._run(request)
            state = ValidationState.SUCCEEDED if failure is None else ValidationState.FAILED
            detail = failure.detail if failure is not None else None
            self._change(request.id, state=state, failure=detail, ended_at=self._clock.now())

    def _run(self, request: ValidationRequest) -> Failure | None:
        try:
            return self._rehearsal.run(request, lambda row: self._say(request.id, row))
        except Exception as err:
            # Top of a background thread: a fault in one validation must not stop the others.
            log.exception("validation failed", extra={"validation": request.id})
            message = f"a fault of the platform ({type(err).__name__}); its log in PENSTOCK_HOME/logs says more"
            failure = Failure(revision=None, step="Load", reason="Internal", message=message)
            self._say(request.id, ("Load", Truth.FALSE, failure.reason, failure.message))
            return failure

    def _say(self, name: str, row: Row) -> None:
        condition, truth, reason, message = row
        new = Condition(name=condition, truth=truth, reason=reason, message=message, since=self._clock.now())
        with self._lock:
            known = self._known[name]
            self._known[name] = known.model_copy(update={"conditions": with_condition(known.conditions, new)})

    def _change(self, name: str, **update: object) -> None:
        with self._lock:
            self._known[name] = self._known[name].model_copy(update=update)

    def _forget_oldest(self) -> None:
        ended = [name for name, validation in self._known.items() if validation.ended]
        for name in ended[: max(0, len(self._known) - _MOST_KEPT)]:
            del self._known[name]
