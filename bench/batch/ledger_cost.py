"""What the ledger of a job costs: all that was written to it, written again, each line by itself, to a new one.

The platform writes what came of several mini-batches in one transaction where it can: this is the most it can have
cost, fsync included.
"""

import dataclasses
import tempfile
import time
from pathlib import Path

from measured import Measured

from penstock.store.database import open_database
from penstock.store.ledger import FileState, MiniBatchState, Outcome
from penstock.store.ledger_sql import SqlLedger
from penstock.store.sql import open_store


def again(database: Path, measured: Measured) -> dict[str, float]:
    """`seconds`, `writes` (transactions), and the `share` of the job's steady time."""
    job = measured.more["job"]
    with tempfile.TemporaryDirectory(dir=database.parent.parent) as folder:
        old, new = (f"sqlite:///{path}" for path in (database, Path(folder) / "ledger.db"))
        open_store(new).close()
        source, target = SqlLedger(open_database(old)), SqlLedger(open_database(new))
        files = [dataclasses.replace(each, state=FileState.LISTED) for each in source.files(job)]
        done = source.mini_batches(job)
        began = time.perf_counter()
        target.open(job, files)
        todo = [dataclasses.replace(each, state=MiniBatchState.TODO, parts="", attempt=0) for each in done]
        target.cut(job, [each.number for each in files], todo)
        for each in done:
            target.note(job, [_outcome(each)])
        seconds = time.perf_counter() - began
    steady = measured.steady or measured.wall
    return {"seconds": seconds, "writes": len(done) + 2.0, "share": seconds / steady}


def _outcome(each) -> Outcome:
    kept = {field.name: getattr(each, field.name) for field in dataclasses.fields(Outcome)}
    return Outcome(**kept)
