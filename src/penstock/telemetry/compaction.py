"""Makes Parquet files of records that nobody adds to any more, and removes records that are old enough."""

import contextlib
import logging
import shutil
from datetime import datetime, timedelta
from pathlib import Path

from penstock.telemetry.layout import collection_folders, periods
from penstock.telemetry.tables import is_up_to_date, parquet_of, write_parquet

log = logging.getLogger(__name__)

_SETTLED = timedelta(minutes=10)  # after its end, a folder gets no more lines


def compact(root: Path, now: datetime) -> int:
    """Give every file of lines in closed folders its Parquet file; returns how many were made.

    May be killed and repeated: a file is whole or not there, and the lines stay. A file that cannot be read is left
    alone, and told in the log.
    """
    made = 0
    for collection in collection_folders(root):
        for period in periods(collection):
            for file in period.files() if period.end + _SETTLED <= now else ():
                if not is_up_to_date(parquet_of(file), file):
                    made += _made(file, collection.name)
    return made


def expire(root: Path, before: datetime) -> int:
    """Remove the folders of all periods that ended before that; returns how many."""
    removed = 0
    for collection in collection_folders(root):
        for period in list(periods(collection)):
            if period.end <= before:
                shutil.rmtree(period.folder, ignore_errors=True)
                _remove_empty(period.folder.parent, root)
                removed += 1
    return removed


def _made(file: Path, collection: str) -> bool:
    try:
        write_parquet(file, collection)
    except Exception:
        # What a file may hold is up to instances, and one bad file must not keep the others from being made.
        log.exception("records cannot be made into Parquet", extra={"file": str(file)})
        return False
    return True


def _remove_empty(folder: Path, root: Path) -> None:
    with contextlib.suppress(OSError):  # not empty
        while folder != root:
            folder.rmdir()
            folder = folder.parent
