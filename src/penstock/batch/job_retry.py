"""What a job does anew when it is resumed, beside what its ledger knows to have failed."""

from collections.abc import Sequence

from penstock.batch.planning import segments_of
from penstock.store.ledger import FileState, Ledger, MiniBatchId, MiniBatchState

_CHUNK = 2000


def unanswered(ledger: Ledger, job: str) -> tuple[Sequence[int], Sequence[MiniBatchId]]:
    """Files that have failed although their mini-batch was done, as a script did not answer for all of them, and those
    mini-batches: which of its files it has left out, nobody knows."""
    failed = {file.number for file in ledger.files(job, state=FileState.FAILED)}
    found: list[MiniBatchId] = []
    after = None
    while failed and (chunk := ledger.mini_batches(job, state=MiniBatchState.DONE, after=after, limit=_CHUNK)):
        found += [each.id for each in chunk if any(s.file.number in failed for s in segments_of(each))]
        after = chunk[-1].id
    return sorted(failed), found
