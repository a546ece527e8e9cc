"""The mini-batches of one job on their way: handed to workers, and what came of them put into the ledger.

All that is held here can be found again in ledger and work folder; a coordinator that starts anew looks there.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from penstock.batch.collected import Collected
from penstock.batch.cuts import numbers_of
from penstock.batch.job_queue import ATTEMPTS, JobQueue, Ready, Rules, mini_batch_id
from penstock.batch.outcomes import outcome_of
from penstock.batch.planning import of_segments
from penstock.batch.work_folder import WorkFolder
from penstock.store.ledger import Aside, FileState, Ledger, MiniBatch, MiniBatchId, MiniBatchState, Outcome
from penstock_worker.batch_contract import (
    INPUT_CHANGED,
    INPUT_UNREADABLE,
    NO_SPACE,
    File,
    Order,
    Result,
    Task,
)

_FUTILE = 3  # mini-batches that have failed for good: while none has succeeded, others are tried only once
_MOST_DEATHS = 10  # of workers in one mini-batch, before it has failed: the cause may be outside of it
_AHEAD_SECONDS = 1.0  # of work that a worker is given
_MOST_AHEAD = 64


class JobRun:
    """`ready` tells whether all that a mini-batch reads is on this machine."""

    def __init__(
        self,
        job: str,
        rules: Rules,
        order: Order,
        ledger: Ledger,
        folder: WorkFolder,
        ready: Ready = lambda _: True,
    ) -> None:
        self._job = job
        self._rules = rules
        self._order = order
        self._ledger = ledger
        self._folder = folder
        self._held: dict[str, dict[str, int]] = {}  # worker -> task -> attempt
        self._handed: dict[str, MiniBatch] = {}
        self._errors: Counter[str] = Counter()
        self._deaths: Counter[str] = Counter()
        self._seconds = self._latest = 0.0  # that a mini-batch takes, on average; that the last one took
        self._troubled = False  # mini-batches have failed at the last look: who fails is sooner at the end of its work
        self.spent = 0.0  # seconds of workers in all mini-batches
        self._given_at = 0.0  # monotonic
        self._looked = False  # for results: until then, what has come would be taken for what is still to be done
        states = ledger.totals(job).mini_batches_by_state
        self._failed, self._succeeded = states.get(MiniBatchState.FAILED, 0), states.get(MiniBatchState.DONE, 0) > 0
        self._queue = JobQueue(job, rules, ledger, self._held_tasks, ready)
        for worker in folder.workers():
            self._held[worker] = {task: self._attempt_of(worker, task) for task in folder.tasks(worker)}

    @property
    def idle(self) -> bool:
        """True if another worker would have nothing to do."""
        return self._queue.idle

    @property
    def starving(self) -> bool:
        """True if nobody has anything, and nothing can be handed out now."""
        return not self._held_tasks() and self._queue.idle

    @property
    def drained(self) -> bool:
        """True if there is nothing to hand out, and nobody has anything."""
        return self._looked and not self._held_tasks() and self._queue.empty

    @property
    def waited(self) -> float:
        """For how many seconds nobody was given anything."""
        return time.monotonic() - self._given_at

    def holds(self, task: str) -> bool:
        """True if a worker has it."""
        return task in self._held_tasks()

    def busy(self, worker: str) -> bool:
        return bool(self._held.get(worker))

    def held(self, worker: str) -> Collection[str]:
        """Ids of what a worker has."""
        return self._held.get(worker, {}).keys()

    def ahead(self) -> Iterator[MiniBatch]:
        """The mini-batches that are next, whether they can be read or not."""
        return self._queue.ahead()

    def cut(self, files: Iterable[File]) -> None:
        """Have these files cut into segments."""
        self._queue.cuts.ask(files)

    def look_again(self) -> None:
        """Read in the ledger what is to be done: there may be more than is known here."""
        self._queue.changed()

    def collect(self) -> Collected:
        """Put what has come into the ledger. A result's file goes only when the ledger has it."""
        found = Collected()
        # A worker deletes a task after it has told the result: given to it again before that, the task would be lost.
        results = [(p, r) for p, r in self._folder.results() if r is None or not self._folder.has_task(r.worker, r.id)]
        told = [result for _, result in results if result is not None]
        for result in told:
            self._take(result, found)
        self._write_cuts(found)
        self._set_aside(told)
        self._troubled = bool(found.errors)
        if found.outcomes:
            self._ledger.note(self._job, found.outcomes)
        for path, _ in results:  # also what is no result: the mini-batch it stands for will be missed
            path.unlink(missing_ok=True)
        for result in told:
            self._held.get(result.worker, {}).pop(result.id, None)
            self._handed.pop(result.id, None)
        self._looked = True
        return found

    def hand_out(self, workers: Collection[str]) -> None:
        """Give each of these workers enough to do for about a second, the one with the least first."""
        for level in range(1, self._depth() + 1):
            for worker in sorted(workers):
                if len(self._held.setdefault(worker, {})) >= level:
                    continue
                following = self._queue.next()
                if following is None:
                    return
                task, mini_batch = following
                if mini_batch is not None:
                    self._handed[task.id] = mini_batch
                self.give(worker, task)

    def lasting(self, workers: Collection[str]) -> float:
        """For how many seconds each of these workers has mini-batches to do, as it seems; 0 where nobody knows."""
        if not workers or self._troubled or any(not task.startswith("m") for task in self._held_tasks()):
            return 0.0
        least = min(len(self._held.get(worker, {})) for worker in workers)
        return max(0, least - 1) * min(self._seconds, self._latest)

    def give(self, worker: str, task: Task) -> None:
        if not self._held.setdefault(worker, {}):
            self._folder.touch(worker)
        self._folder.give(worker, task)
        self._given_at = time.monotonic()
        self._held[worker][task.id] = task.attempt

    def bury(self, worker: str, why: str, *, by_itself: bool) -> Collected:
        """Take back what a worker had that does not run any more, and count that against what it had begun: as an
        error if the worker has ended or hung `by_itself`, more patiently if somebody else may have killed it."""
        found = Collected()
        left = [task for task in self._folder.tasks(worker) if not self._is_answered(worker, task)]
        begun = self._folder.begun(worker)
        given = self._folder.task(worker, begun) if begun in left else None
        if given is not None:
            found.untold.append((worker, given, why))
        for task in left:
            self._retake(task, why if task == begun else "", found, by_itself=by_itself)
        for task in self._folder.tasks(worker):
            self._folder.withdraw(worker, task)
        self._held[worker] = {task: attempt for task, attempt in self._held.get(worker, {}).items() if task not in left}
        if found.outcomes:
            self._ledger.note(self._job, found.outcomes)
        return found

    def _take(self, result: Result, found: Collected) -> None:
        if result.id.startswith("c"):
            self._take_cut(result, found)
        elif not result.id.startswith("m"):
            if result.attempt == self._rules.attempt:  # what an earlier one has finished was taken back
                found.finished.append(result)
        elif not result.reason:
            found.outcomes.append(outcome_of(result))
            self._succeeded = True
            took = sum(result.seconds.values())
            self.spent += took
            self._latest = took
            self._seconds = took if not self._seconds else 0.8 * self._seconds + 0.2 * took
        else:
            self._take_failure(result, found)

    def _take_failure(self, result: Result, found: Collected) -> None:
        id_ = mini_batch_id(result.id)
        if result.reason == NO_SPACE:
            found.waiting = result.message or "the disk is full"
            self._queue.again(id_)
        elif result.reason == INPUT_CHANGED:
            found.stop = result.message
            self._queue.again(id_)
        else:
            found.errors.append(result)
            failed = not self._spend_try(result.id)
            self._try_again(id_, result.attempt % ATTEMPTS, result.message, found, failed=failed)

    def _retake(self, task: str, why: str, found: Collected, *, by_itself: bool) -> None:
        """Take back a task; `why` is empty if it had not been begun. What is no mini-batch is planned anew, unless its
        workers have died of cutting a file again and again."""
        if not why:
            if task.startswith("m"):
                self._queue.again(mini_batch_id(task))
            return
        counter, most = (self._errors, self._most_errors) if by_itself else (self._deaths, _MOST_DEATHS)
        counter[task] += 1
        failed = counter[task] > most
        if task.startswith("m"):
            attempt = self._handed[task].attempt if task in self._handed else 0
            self._try_again(mini_batch_id(task), attempt % ATTEMPTS, why, found, failed=failed)
        elif task.startswith("c") and failed:
            number, _ = numbers_of(task)
            self._queue.cuts.drop(number)
            self._ledger.set_aside(self._job, number, FileState.FAILED, f"it cannot be cut: {why}"[:2000])

    def _try_again(self, id_: MiniBatchId, attempt: int, why: str, found: Collected, *, failed: bool) -> None:
        state = MiniBatchState.FAILED if failed else MiniBatchState.TODO
        found.outcomes.append(Outcome(id=id_, state=state, attempt=attempt + 1, reason=why[:2000]))
        if not failed:
            self._queue.again(id_)
            return
        self._failed += 1
        if self._failed == _FUTILE and not self._succeeded:
            self._queue.spread()

    @property
    def _most_errors(self) -> int:
        futile = self._failed >= _FUTILE and not self._succeeded and self._rules.attempt == 1
        return 0 if futile else self._rules.max_retries

    def _take_cut(self, result: Result, found: Collected) -> None:
        number, _ = numbers_of(result.id)
        if result.reason == INPUT_CHANGED:
            found.stop = result.message
        elif result.reason == NO_SPACE:
            found.waiting = result.message
        elif result.reason and result.reason != INPUT_UNREADABLE and self._spend_try(result.id):
            found.errors.append(result)  # it will be planned anew
        elif result.reason:
            state = FileState.SKIPPED if result.reason == INPUT_UNREADABLE else FileState.FAILED
            self._queue.cuts.drop(number)
            self._ledger.set_aside(self._job, number, state, result.message[:2000])
            if not any(numbers_of(task)[0] == number for task in self._cutting() if task != result.id):
                found.aside.append(number)  # nobody reads it any more
        else:
            segments = self._queue.cuts.take(result.id, result.segments)
            if segments is not None:
                size = segments[0].file.size if segments else 0
                found.cut[number] = of_segments(segments, self._order, size)

    def _write_cuts(self, found: Collected) -> None:
        """Of all files at once: a transaction costs as much as several of them."""
        if found.cut:
            planned = [mini_batch for mini_batches in found.cut.values() for mini_batch in mini_batches]
            self._ledger.cut(self._job, list(found.cut), planned)
            self._queue.changed()

    def _spend_try(self, task: str) -> bool:
        """Count an error of a task; False if that was its last try."""
        self._errors[task] += 1
        return self._errors[task] <= self._most_errors

    def _cutting(self) -> Iterable[str]:
        return (task for task in self._held_tasks() if task.startswith("c"))

    def _set_aside(self, results: Iterable[Result]) -> None:
        asides = [
            Aside(
                fault.number,
                FileState.SKIPPED if fault.reason == INPUT_UNREADABLE else FileState.FAILED,
                fault.message[:2000],
            )
            for result in results
            for fault in result.faults
        ]
        if asides:
            self._ledger.set_all_aside(self._job, asides)

    def _depth(self) -> int:
        if not self._seconds:
            return 2
        return max(2, min(_MOST_AHEAD, int(_AHEAD_SECONDS / max(self._seconds, 1e-3))))

    def _held_tasks(self) -> Collection[str]:
        return {task for tasks in self._held.values() for task in tasks}

    def _is_answered(self, worker: str, task: str) -> bool:
        """True if the worker was killed between the result of a task and its deletion."""
        known = self._held.get(worker, {}).get(task)
        return self._folder.has_result(task, self._attempt_of(worker, task) if known is None else known)

    def _attempt_of(self, worker: str, task: str) -> int:
        told = self._folder.task(worker, task)
        return told.attempt if told is not None else 0
