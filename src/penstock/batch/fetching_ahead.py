"""Which files of other machines are fetched next, and how far ahead of the workers. Pure."""

from collections.abc import Collection, Iterable, Sequence

from penstock_worker.batch_contract import File

_MOST_BYTES = 4 * 1024**3
_SHARE = 4  # of the free disk: a quarter
_MOST_FILES_AT_ONCE = 250
_MOST_BYTES_AT_ONCE = 64 * 1024 * 1024


def ahead_bytes(free: int) -> int:
    """How many bytes of a job's input are kept here, where so many are free. What is read together may exceed that."""
    return min(_MOST_BYTES, free // _SHARE)


def following(
    needs: Iterable[Sequence[File]], here: Collection[int], kept_bytes: int, most_bytes: int, *, starving: bool
) -> Sequence[File]:
    """The files to ask for at once next; empty if there are none, or enough is here.

    `needs` are what workers read next, in their order, each the files that they read together; `here` are the numbers
    of files that are here or on their way, `kept_bytes` what those take. What is needed first comes first, so that
    whatever is kept is read and goes away. `starving`: nobody does anything: then, unless there is a need that is here,
    the first one comes anyway.
    """
    taken: dict[int, File] = {}
    bytes_ = 0
    for need in needs:
        missing = {file.number: file for file in need if file.number not in here and file.number not in taken}
        if not missing:
            starving = False  # that can be read
            continue
        if kept_bytes + bytes_ >= most_bytes and (taken or not starving):
            break
        size = sum(max(0, file.size) for file in missing.values())
        if taken and (len(taken) + len(missing) > _MOST_FILES_AT_ONCE or bytes_ + size > _MOST_BYTES_AT_ONCE):
            break
        taken |= missing
        bytes_ += size
    return list(taken.values())
