"""The parts that the mini-batches of a job have come to, as its ledger has them."""

from collections.abc import Iterator, Mapping, Sequence, Set

from penstock.batch.outcomes import parts_of_mini_batch
from penstock.batch.planning import segments_of
from penstock.store.ledger import Ledger, MiniBatch, MiniBatchId, MiniBatchState
from penstock_worker.batch_contract import ManifestLine

_CHUNK = 2000  # mini-batches read from the ledger at once


def lost_mini_batches(ledger: Ledger, job: str, here: Set[str]) -> Sequence[MiniBatchId]:
    """Those that are done, and have parts that are not among the files `here`: somebody has removed them, or they are
    on another machine, whose platform has led meanwhile."""
    return [each.id for each in _done(ledger, job) if any(p.name not in here for p in parts_of_mini_batch(each))]


def manifest_lines(ledger: Ledger, job: str) -> Iterator[ManifestLine]:
    """All parts, in the order of the input."""
    names = {file.number: file.name for file in ledger.files(job)}
    for mini_batch in _done(ledger, job):
        yield from _lines(mini_batch, names)


def _done(ledger: Ledger, job: str) -> Iterator[MiniBatch]:
    after = None
    while chunk := ledger.mini_batches(job, state=MiniBatchState.DONE, after=after, limit=_CHUNK):
        yield from chunk
        after = chunk[-1].id


def _lines(mini_batch: MiniBatch, names: Mapping[int, str]) -> Iterator[ManifestLine]:
    segments = segments_of(mini_batch)
    for part in parts_of_mini_batch(mini_batch):
        only = len(segments) == 1
        file = segments[max(0, part.segment)].file if part.segment >= 0 or only else None
        yield ManifestLine(part.name, part.kind, names.get(file.number, "") if file else "", part.rows)
