"""What each file and mini-batch of a ledger adds to its sums. Pure: what changes is taken away as it was, and added as
it is."""

from collections.abc import Mapping

from penstock.store.ledger import FileState, MiniBatchState, Totals

Sums = Mapping[str, int]

SUMS = (
    "files_listed",
    "files_cut",
    "files_skipped",
    "files_failed",
    "batches_todo",
    "batches_done",
    "batches_failed",
    "batch_files_done",
    "batch_files_failed",
    "rows_known",
    "batches_unknown",  # mini-batches of which it is not known how many rows they read
    "rows_in",
    "rows_out",
    "rows_rejected",
    "bytes",
    "bytes_done",
)


def of_file(state: FileState, size: int, *, planned: bool) -> Sums:
    """`planned`: it has mini-batches, which count it as done unless it is set aside. What was set aside before is not
    read."""
    whole = state in (FileState.LISTED, FileState.CUT)
    done = {"batch_files_done": -1} if planned and not whole else {}
    return {f"files_{state}": 1, "bytes": size if planned or whole else 0, **done}


def of_mini_batch(state: MiniBatchState, files: int, rows: int, size: int, told: tuple[int, int, int]) -> Sums:
    """`told` is how many rows it has read, written and rejected; that counts once it is done."""
    if state is MiniBatchState.DONE:
        read, written, rejected = told
        return {
            "batches_done": 1,
            "batch_files_done": files,
            "rows_known": read,
            "rows_in": read,
            "rows_out": written,
            "rows_rejected": rejected,
            "bytes_done": size,
        }
    failed = {"batch_files_failed": files, "bytes_done": size} if state is MiniBatchState.FAILED else {}
    known = {"rows_known": rows} if rows >= 0 else {"batches_unknown": 1}
    return {f"batches_{state}": 1, **failed, **known}


def totals_of(sums: Sums) -> Totals:
    files = {state: sums.get(f"files_{state}", 0) for state in FileState}
    batches = {state: sums.get(f"batches_{state}", 0) for state in MiniBatchState}
    return Totals(
        files=sum(files.values()),
        files_by_state=files,
        mini_batches=sum(batches.values()),
        mini_batches_by_state=batches,
        files_done=max(0, sums.get("batch_files_done", 0)),
        files_failed=sums.get("batch_files_failed", 0) + files[FileState.FAILED],
        rows=None if sums.get("batches_unknown", 0) else sums.get("rows_known", 0),
        rows_in=sums.get("rows_in", 0),
        rows_out=sums.get("rows_out", 0),
        rows_rejected=sums.get("rows_rejected", 0),
        bytes=sums.get("bytes", 0),
        bytes_done=sums.get("bytes_done", 0),
    )
