"""Errands that wait, run and have ended. They are kept in memory: a control plane that starts anew knows none."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Generic, Protocol, TypeVar

from penstock.control.clock import Clock
from penstock.domain.errand import Errand, ErrandRequest, ErrandState
from penstock.domain.errors import not_found, unavailable
from penstock.domain.resource import Condition, Truth, with_condition
from penstock.online.verdicts import Row, Say
from penstock.preparation.building import Failure

log = logging.getLogger(__name__)

_MOST_WAITING = 8
_MOST_KEPT = 50

RequestT = TypeVar("RequestT", bound=ErrandRequest)
RequestT_contra = TypeVar("RequestT_contra", bound=ErrandRequest, contravariant=True)
ErrandT = TypeVar("ErrandT", bound=Errand)


@dataclass(frozen=True)
class Outcome:
    """How an errand has ended: what has failed, if anything, and the fields that tell what was found out."""

    failure: Failure | None = None
    found: Mapping[str, object] = field(default_factory=dict[str, object])


class Runner(Protocol[RequestT_contra]):
    """Does errands of one kind, one after the other."""

    @property
    def stopping(self) -> threading.Event:
        """Set when the platform ends: the errand that runs is to end at once."""
        ...

    def run(self, request: RequestT_contra, say: Say) -> Outcome:
        """Do it. Conditions are told to `say` as they come."""
        ...

    def end_leftovers(self) -> None:
        """End the processes, and delete the files, of errands that an earlier control plane was killed in."""
        ...


class Errands(Generic[RequestT, ErrandT]):
    """Runs one at a time, in a thread of its own. `kind` is how its errands are kept and, in lower case, called."""

    def __init__(self, kind: type[ErrandT], runner: Runner[RequestT], clock: Clock) -> None:
        self._kind = kind
        self._what = kind.__name__.lower()
        self._runner = runner
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, ErrandT] = {}  # oldest first
        self._requests: SimpleQueue[RequestT | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"{self._what}s", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and the process of the errand that runs."""
        self._runner.stopping.set()
        self._requests.put(None)
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

    def begin(self, request: RequestT) -> ErrandT:
        """Have it run when its turn comes; the same id again returns what is known of it.

        Raises `unavailable` if too many wait.
        """
        with self._lock:
            known = self._known.get(request.id)
            if known is not None:
                return known
            if sum(errand.state is ErrandState.QUEUED for errand in self._known.values()) >= _MOST_WAITING:
                raise unavailable(f"{_MOST_WAITING} {self._what}s wait already: try again in a while")
            begun = self._kind(id=request.id, state=ErrandState.QUEUED, created_at=self._clock.now())
            self._known[request.id] = begun
            self._forget_oldest()
        self._requests.put(request)
        return begun

    def get(self, name: str) -> ErrandT:
        """How far the errand of that id is. Raises `not_found` for one that is not known, or no more."""
        with self._lock:
            known = self._known.get(name)
        if known is None:
            why = "the platform was started anew since, or it is long ago"
            raise not_found(f"{self._what} {name!r} is not known: {why}")
        return known

    def _work(self) -> None:
        self._runner.end_leftovers()
        while (request := self._requests.get()) is not None and not self._runner.stopping.is_set():
            self._change(request.id, state=ErrandState.RUNNING)
            outcome = self._run(request)
            failure = outcome.failure
            state = ErrandState.SUCCEEDED if failure is None else ErrandState.FAILED
            detail = failure.detail if failure is not None else None
            ended = {"state": state, "failure": detail, "ended_at": self._clock.now()}
            self._change(request.id, **outcome.found, **ended)

    def _run(self, request: RequestT) -> Outcome:
        try:
            return self._runner.run(request, lambda row: self._say(request.id, row))
        except Exception as err:
            # Top of a background thread: a fault in one errand must not stop the others.
            log.exception("errand failed", extra={"errand": f"{self._what}/{request.id}"})
            message = f"a fault of the platform ({type(err).__name__}); its log in PENSTOCK_HOME/logs says more"
            failure = Failure(revision=None, step="Load", reason="Internal", message=message)
            self._say(request.id, ("Load", Truth.FALSE, failure.reason, failure.message))
            return Outcome(failure)

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
        ended = [name for name, errand in self._known.items() if errand.ended]
        for name in ended[: max(0, len(self._known) - _MOST_KEPT)]:
            del self._known[name]
