"""What of a job is still to be handed out: stretches of files to cut, then mini-batches in the order of the input."""

from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from penstock.batch.cuts import Cuts
from penstock.batch.planning import segments_of
from penstock.domain.job import DRY_RUN_ROWS
from penstock.store.ledger import Ledger, MiniBatch, MiniBatchId, MiniBatchState
from penstock_worker.batch_contract import SCORE, Task

Ready = Callable[[MiniBatchId], bool]

ATTEMPTS = 1000  # of a mini-batch in one attempt of its job: names of parts never meet
_SPREAD = 16
_CHUNK = 2000  # mini-batches read from the ledger at once


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What of a job's spec decides about its mini-batches. `attempt` is the job's own."""

    attempt: int
    max_retries: int
    dry_run: bool


class JobQueue:
    """`held` tells which tasks workers have, `ready` whether a mini-batch can be read here now.
    `cuts` go before anything else."""

    def __init__(
        self, job: str, rules: Rules, ledger: Ledger, held: Callable[[], Collection[str]], ready: Ready
    ) -> None:
        self._job = job
        self._rules = rules
        self._ledger = ledger
        self._held = held
        self.cuts = Cuts(rules.attempt, held)
        self._ready = ready
        self._fresh: deque[MiniBatch] = deque()
        self._again: deque[MiniBatchId] = deque()
        self._read_up_to: MiniBatchId | None = None
        self._exhausted = False

    @property
    def empty(self) -> bool:
        return not self.cuts and not self._again and not self._more()

    @property
    def idle(self) -> bool:
        """True if nothing can be handed out now."""
        if self.cuts or any(self._ready(id_) for id_ in self._again):
            return False
        return not self._more() or not any(self._ready(each.id) for each in self._fresh)

    def ahead(self) -> Iterator[MiniBatch]:
        """The mini-batches that are next, ready or not, as far as they are known here."""
        again = (self._find(id_) for id_ in sorted(self._again))
        yield from (each for each in again if each is not None)
        if self._more():
            yield from tuple(self._fresh)

    def again(self, id_: MiniBatchId) -> None:
        """Have a mini-batch handed out once more."""
        self._again.append(id_)

    def changed(self) -> None:
        """The ledger has new mini-batches, which what was read of it may have passed by."""
        self._read_up_to, self._exhausted = None, False
        self._fresh.clear()

    def spread(self) -> None:
        """Hand out next what lies far apart in the input, of the mini-batches that are known here."""
        if self._more():
            fresh = list(self._fresh)
            step = max(1, len(fresh) // _SPREAD)
            self._fresh = deque(each for begin in range(step) for each in fresh[begin::step])

    def next(self) -> tuple[Task, MiniBatch | None] | None:
        """The next task, and its mini-batch if it has one; None if there is nothing to do."""
        cut = self.cuts.next()
        if cut is not None:
            return cut, None
        mini_batch = self._pop()
        if mini_batch is None:
            return None
        task = Task(
            id=task_id(mini_batch.id),
            kind=SCORE,
            attempt=self._rules.attempt * ATTEMPTS + mini_batch.attempt % ATTEMPTS,
            segments=segments_of(mini_batch),
            limit=DRY_RUN_ROWS if self._rules.dry_run else -1,
        )
        return task, mini_batch

    def _pop(self) -> MiniBatch | None:
        for _ in range(len(self._again)):
            id_ = self._again.popleft()
            if not self._ready(id_):
                self._again.append(id_)
            elif (found := self._find(id_)) is not None:
                return found
        at = next((at for at, each in enumerate(self._fresh) if self._ready(each.id)), -1) if self._more() else -1
        if at < 0:
            return None
        found = self._fresh[at]
        del self._fresh[at]
        return found

    def _find(self, id_: MiniBatchId) -> MiniBatch | None:
        """A mini-batch that is still to be done."""
        before = MiniBatchId(id_.file, id_.piece - 1)
        found = self._ledger.mini_batches(self._job, state=MiniBatchState.TODO, after=before, limit=1)
        return found[0] if found and found[0].id == id_ else None

    def _more(self) -> bool:
        """True if there is a mini-batch that nobody has had yet; reads on in the ledger."""
        while not self._fresh and not self._exhausted:
            chunk = self._ledger.mini_batches(
                self._job, state=MiniBatchState.TODO, after=self._read_up_to, limit=_CHUNK
            )
            self._exhausted = len(chunk) < _CHUNK
            self._read_up_to = chunk[-1].id if chunk else self._read_up_to
            held, waiting = self._held(), set(self._again)
            self._fresh.extend(b for b in chunk if task_id(b.id) not in held and b.id not in waiting)
            if self._rules.dry_run:
                first = [b for b in chunk if b.id.piece == 0][:1] if self._read_up_to is not None else []
                self._fresh = deque(b for b in self._fresh if b in first)
                self._exhausted = True
        return bool(self._fresh)


def task_id(id_: MiniBatchId) -> str:
    return f"m{id_.file:08d}-{id_.piece:07d}"


def mini_batch_id(task: str) -> MiniBatchId:
    """Raises ValueError for the id of another task."""
    file, _, piece = task[1:].partition("-")
    return MiniBatchId(int(file), int(piece))
