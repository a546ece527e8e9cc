"""Into which mini-batches files go."""

from hypothesis import given
from hypothesis import strategies as st

from penstock.batch.planning import SMALL_BYTES, by_count, in_steps, is_cut, of_segments, segments_of, small_groups
from penstock.store.ledger import LedgerFile
from penstock_worker.batch_contract import BYTES, ROWS, File, Order, Segment

ORDER = Order(
    job="j",
    output_action="append_row",
    output_format="azure",
    output_mode="one_file",
    output_file_name="predictions.csv",
    output_folder="/out",
)


def files_of(sizes: list[int]) -> list[LedgerFile]:
    return [LedgerFile(number=n, uri=f"/d/{n}", name=str(n), size=size, version="1") for n, size in enumerate(sizes)]


def paths_of(files: list[LedgerFile]) -> dict[int, str]:
    return {file.number: file.uri for file in files}


@given(st.lists(st.integers(0, 1000), max_size=60), st.integers(1, 20))
def test_scripts_get_so_many_files_at_once_each_file_once_and_in_order(sizes: list[int], size: int) -> None:
    files = files_of(sizes)
    batches = by_count(files, paths_of(files), size)
    numbers = [segment.file.number for batch in batches for segment in segments_of(batch)]
    assert numbers == list(range(len(files)))
    assert all(len(segments_of(batch)) == size for batch in batches[:-1])
    assert [batch.id.file for batch in batches] == sorted({batch.id.file for batch in batches})


@given(st.lists(st.integers(0, 1000), max_size=60), st.integers(1, 7), st.integers(1, 5))
def test_mini_batches_are_written_down_step_by_step_each_with_its_own_files(
    sizes: list[int], count: int, size: int
) -> None:
    files = files_of(sizes)
    batches = by_count(files, paths_of(files), count)
    steps = list(in_steps(files, batches, size))
    assert [each for _, step in steps for each in step] == list(batches)
    for numbers, step in steps:
        assert len(step) <= size
        assert numbers == [segment.file.number for batch in step for segment in segments_of(batch)]


@given(st.lists(st.integers(0, SMALL_BYTES * 2), max_size=80))
def test_small_files_share_a_mini_batch_and_large_ones_are_cut(sizes: list[int]) -> None:
    files = files_of(sizes)
    small = [file for file in files if not is_cut(file)]
    batches = small_groups(small, paths_of(files))
    numbers = [segment.file.number for batch in batches for segment in segments_of(batch)]
    assert numbers == [file.number for file in small]
    for batch in batches:  # in the order of the input, nothing large lies between the files of one
        own = [segment.file.number for segment in segments_of(batch)]
        assert own == list(range(own[0], own[-1] + 1))
        assert len(own) == 1 or sum(sizes[n] for n in own) <= SMALL_BYTES
        assert batch.bytes == sum(sizes[n] for n in own)


@given(
    st.lists(st.integers(1, 300_000), min_size=1, max_size=40), st.sampled_from([ROWS, BYTES]), st.integers(0, 10**9)
)
def test_the_segments_of_a_file_become_mini_batches_that_sum_to_it(lengths: list[int], unit: str, whole: int) -> None:
    file = File(number=7, path="/d/7", name="7", size=whole, modified_ns=1)
    starts = [sum(lengths[:at]) for at in range(len(lengths))]
    segments = [
        Segment(file=file, unit=unit, start=start, length=length, rows=length)
        for start, length in zip(starts, lengths, strict=True)
    ]
    batches = of_segments(segments, ORDER, whole)
    assert [s for batch in batches for s in segments_of(batch)] == segments
    assert sum(batch.bytes for batch in batches) == whole
    assert sum(batch.files for batch in batches) == 1
    assert [batch.id.piece for batch in batches] == list(range(len(batches)))
