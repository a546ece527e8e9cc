"""What data wherever it lies holds to: listing, fetching, storing, on real servers."""

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.lakes import Lake, a_fetch, a_store, uri
from support.object_stores import ACCOUNT, ACCOUNT_KEY, S3_KEY, S3_SECRET, a_gcs, an_azurite, an_s3, have_azurite
from support.running import wait_until

from penstock.domain.datastore import Credentials, Datastore
from penstock.domain.errors import Code, PenstockError
from penstock.storage.fetching import PIECE_BYTES
from penstock_worker import batch_contract as contract
from penstock_worker.batch_contract import Remote, Result, Task

# The library below adlfs says so of every large body, its own included.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with an_s3() as url:
        yield url


@pytest.fixture(scope="module")
def azure_url() -> Iterator[str]:
    try:
        have_azurite()
    except subprocess.CalledProcessError as err:
        pytest.skip(f"Azure's emulator cannot be had from npm: {err.stderr.decode(errors='replace')[-300:]}")
    with an_azurite() as url:
        yield url


@pytest.fixture(scope="module")
def gcs_url() -> Iterator[str]:
    with a_gcs() as url:
        yield url


@pytest.fixture
def make_lake(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Lake]:
    """An empty one of a kind."""

    def make(kind: str) -> Lake:
        if kind == "local":
            (tmp_path / "lake").mkdir()
            return Lake(Datastore(type="local", path=str(tmp_path / "lake")), tmp_path)
        url = request.getfixturevalue(f"{kind}_url")
        if kind == "s3":
            lake = Lake(
                Datastore(type="s3", bucket="lake", endpoint=url),
                tmp_path,
                Credentials(access_key_id=S3_KEY, secret_access_key=S3_SECRET),
                Credentials(access_key_id=S3_KEY, secret_access_key="wrong"),
            )
        elif kind == "gcs":
            lake = Lake(Datastore(type="gcs", bucket="lake", endpoint=url, anonymous=True), tmp_path)
        else:
            lake = Lake(
                Datastore(type="azure_blob", account_name=ACCOUNT, container_name="lake", endpoint=url),
                tmp_path,
                Credentials(account_key=ACCOUNT_KEY),
                Credentials(account_key="d3Jvbmc="),
            )
        files = lake.files
        if not files.exists("lake"):
            files.mkdir("lake")
        left = files.find("lake")
        if left:
            files.rm(left)
        return lake

    return make


@pytest.fixture(params=["local", "s3", "azure", "gcs"])
def lake(request: pytest.FixtureRequest, make_lake: Callable[[str], Lake]) -> Lake:
    return make_lake(request.param)


@pytest.fixture(params=["s3", "azure", "gcs"])
def far(request: pytest.FixtureRequest, make_lake: Callable[[str], Lake]) -> Lake:
    return make_lake(request.param)


@pytest.fixture(params=["s3", "azure"])  # Google's emulator takes whoever comes
def guarded(request: pytest.FixtureRequest, make_lake: Callable[[str], Lake]) -> Lake:
    return make_lake(request.param)


def some_bytes(size: int, number: int = 0) -> bytes:
    """The same bytes each time: emulators have some that they cannot keep, as Google's a carriage return at the end."""
    return random.Random(number).randbytes(size - 1) + b"."


def _error(call: Callable[[], object]) -> PenstockError:
    with pytest.raises(PenstockError) as caught:
        call()
    return caught.value


def _fill(lake: Lake, *paths: str) -> None:
    for path in paths:
        if lake.datastore.type == "local":
            (Path(lake.opened().root) / path).parent.mkdir(parents=True, exist_ok=True)
        lake.put(path, path.encode())


def test_a_folder_is_all_files_below_it_without_what_spark_passes_over(lake: Lake) -> None:
    wanted = ["B.csv", "a b.csv", "a.csv", "day=1/_x=2/p.csv", "deep/er/é.csv"]
    passed = ["_SUCCESS", ".part.csv.crc", "_tmp/a.csv", "deep/.hidden/b.csv", "c.csv._COPYING_"]
    _fill(lake, *(f"in/{path}" for path in (*wanted, *passed)), "in-other/z.csv", "inside.csv")

    found = lake.storage().list(uri("in"), "uri_folder")

    assert [file.name for file in found] == wanted
    assert [file.size for file in found] == [len(f"in/{name}".encode()) for name in wanted]
    assert len({file.uri for file in found}) == len(found)
    assert all(file.version for file in found)
    assert lake.listed("in/") == wanted


def test_globs_choose_files_and_folders(lake: Lake) -> None:
    _fill(lake, "in/2024/01/a.csv", "in/2024/02/b.csv", "in/2024/02/b.txt", "in/2025/01/c.csv", "in/_old/d.csv")

    assert lake.listed("in/2024/*/*.csv") == ["01/a.csv", "02/b.csv"]
    assert lake.listed("in/**/*.csv") == ["2024/01/a.csv", "2024/02/b.csv", "2025/01/c.csv"]
    assert lake.listed("in/202[45]") == ["2024/01/a.csv", "2024/02/b.csv", "2024/02/b.txt", "2025/01/c.csv"]
    assert lake.listed("in/_o*/*") == ["_old/d.csv"]
    assert _error(lambda: lake.listed("in/202[45]", "uri_file")).code is Code.NOT_FOUND
    assert "in/*.parquet" in _error(lambda: lake.listed("in/*.parquet")).message


def test_one_file_is_listed_under_its_name_even_if_it_looks_hidden(lake: Lake) -> None:
    _fill(lake, "in/_a.csv")

    assert lake.listed("in/_a.csv", "uri_file") == ["_a.csv"]
    assert lake.listed("in/_a.csv", "uri_folder") == ["_a.csv"]
    assert "uri_folder" in _error(lambda: lake.listed("in", "uri_file")).message


def test_what_is_missing_is_named(lake: Lake) -> None:
    _fill(lake, "in/a.csv")

    error = _error(lambda: lake.listed("in/b.csv"))
    assert error.code is Code.NOT_FOUND
    assert "in/b.csv" in error.message
    assert _error(lambda: lake.storage().list("azureml://datastores/nope/paths/x", "uri_file")).code is Code.NOT_FOUND


def test_the_root_of_a_datastore_and_a_data_asset_are_listed(lake: Lake) -> None:
    assert lake.listed("") == []
    _fill(lake, "asset/a.csv", "b.csv")

    assert lake.listed("") == ["asset/a.csv", "b.csv"]
    assert [f.name for f in lake.storage().list("azureml:asset:1", "uri_file")] == ["a.csv"]


def test_the_version_changes_with_the_content(lake: Lake) -> None:
    _fill(lake, "a.csv")
    before = lake.found("a.csv").version
    assert lake.found("a.csv").version == before
    lake.put("a.csv", b"A.CSV")

    assert lake.found("a.csv").version != before


def test_a_bucket_that_is_not_there_is_named(far: Lake) -> None:
    field = "container_name" if far.datastore.type == "azure_blob" else "bucket"
    elsewhere = far.datastore.model_copy(update={field: "nowhere-at-all"})

    assert _error(lambda: replace(far, datastore=elsewhere).listed("")).code is Code.NOT_FOUND


def test_wrong_credentials_are_told(guarded: Lake) -> None:
    _fill(guarded, "a.csv")

    denied = _error(lambda: guarded.storage(guarded.wrong).list(uri("a.csv"), "uri_file"))

    assert denied.code is Code.DENIED
    assert "credentials" in denied.message
    assert guarded.credentials is not None
    assert (guarded.credentials.secret_access_key or guarded.credentials.account_key or "") not in denied.message


def test_files_are_fetched_large_and_small_with_the_time_they_were_planned_with(far: Lake, tmp_path: Path) -> None:
    contents = {"big.bin": some_bytes(2 * PIECE_BYTES + 16), "empty": b"", "small.csv": b"a,b\n1,2\n"}
    for name, content in contents.items():
        far.put(f"in/{name}", content)
    files = far.storage().list(uri("in"), "uri_folder")

    result = far.move(a_fetch(tmp_path / "here", *files))

    assert (result.reason, result.bytes_in) == ("", sum(map(len, contents.values())))
    assert {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()} == contents
    assert (tmp_path / "here" / "empty").stat().st_mtime_ns == 1 * 10**9
    assert (tmp_path / "here" / "big.bin").stat().st_mode & 0o777 == 0o600
    assert [segment.file.size for segment in result.segments] == [len(contents[f.name]) for f in files]


def test_a_file_that_changed_or_went_since_it_was_listed_is_not_fetched(far: Lake, tmp_path: Path) -> None:
    _fill(far, "in/a.csv", "in/b.csv", "in/c.csv", "in/d.csv")
    files = far.storage().list(uri("in"), "uri_folder")
    far.put("in/a.csv", b"IN/A.CSV")
    far.put("in/b.csv", b"short")
    far.files.rm_file(f"{far.opened().root}/in/c.csv")

    result = far.move(a_fetch(tmp_path / "here", *files))

    assert result.reason == contract.INPUT_CHANGED
    assert [(fault.number, fault.reason) for fault in result.faults] == [(n, contract.INPUT_CHANGED) for n in range(3)]
    assert "in/a.csv" in result.message
    assert os.listdir(tmp_path / "here") == ["d.csv"]


def test_what_is_fetched_is_not_fetched_again(far: Lake, tmp_path: Path) -> None:
    _fill(far, "in/a.csv", "in/b.csv")
    files = far.storage().list(uri("in"), "uri_folder")
    first = far.move(a_fetch(tmp_path / "here", files[0]))
    far.files.rm_file(f"{far.opened().root}/in/a.csv")

    again = far.move(a_fetch(tmp_path / "here", *files, attempt=2))

    assert (first.reason, again.reason) == ("", "")
    assert sorted(os.listdir(tmp_path / "here")) == ["a.csv", "b.csv"]


def test_outputs_are_stored_and_storing_them_again_changes_nothing(far: Lake, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "day=1").mkdir(parents=True)
    (out / "predictions.parquet").write_bytes(some_bytes(3 * PIECE_BYTES))
    (out / "day=1" / "rejects.jsonl").write_bytes(b"{}\n")
    _fill(far, "results/other.csv")

    first = far.move(a_store(out, uri("results")))
    far.files.rm_file(f"{far.opened().root}/results/day=1/rejects.jsonl")  # as if it had been killed in between
    again = far.move(a_store(out, uri("results"), attempt=2))

    assert (first.reason, again.reason, first.bytes_in) == ("", "", 3 * PIECE_BYTES + 3)
    assert far.listed("results") == ["day=1/rejects.jsonl", "other.csv", "predictions.parquet"]
    assert far.content("results/predictions.parquet") == (out / "predictions.parquet").read_bytes()


def test_files_of_others_at_the_destination_are_never_replaced(far: Lake, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "predictions.csv").write_bytes(b"new")
    _fill(far, "results/predictions.csv")

    result = far.move(a_store(out, uri("results/")))
    assert result.reason == contract.OUTPUT_EXISTS
    assert "predictions.csv" in result.message
    assert far.content("results/predictions.csv") == b"results/predictions.csv"


def test_what_was_stored_is_withdrawn_and_nothing_of_others(far: Lake, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "day=1").mkdir(parents=True)
    for name in ("predictions.csv", "day=1/rejects.jsonl"):
        (out / name).write_bytes(b"new")
    _fill(far, "results/other.csv")
    far.move(a_store(out, uri("results")))
    task = Task("w1", contract.WITHDRAW, 1, remotes=(Remote(uri("results")),), folder="s1")

    first, again = far.move(task), far.move(replace(task, attempt=2))

    assert (first.reason, again.reason) == ("", "")
    assert far.listed("results") == ["other.csv"]


def test_credentials_that_do_not_open_it_fail_the_task_at_once(guarded: Lake, tmp_path: Path) -> None:
    _fill(guarded, "in/a.csv")

    result = guarded.move(a_fetch(tmp_path / "here", guarded.found("in/a.csv")), guarded.wrong)

    assert result.reason == contract.STORAGE_DENIED
    assert os.listdir(tmp_path / "here") == []


def test_a_mover_that_is_killed_leaves_nothing_half_done_and_the_next_one_ends_it(
    make_lake: Callable[[str], Lake], tmp_path: Path
) -> None:
    lake, work, here = make_lake("s3"), tmp_path / "work", tmp_path / "here"
    contents = {f"{number:02d}.bin": some_bytes(2 * 1024 * 1024, number) for number in range(20)}
    for name, content in contents.items():
        lake.put(f"in/{name}", content)
    for inner in ("tasks/m0", "results", "current"):
        (work / inner).mkdir(parents=True)
    (work / "current" / "m0").touch()
    task = a_fetch(here, *lake.storage().list(uri("in"), "uri_folder"))
    contract.write(work / "tasks" / "m0" / "f1.json", task)

    first = lake.mover(work)
    wait_until(lambda: first.poll() is not None or _whole(here))
    first.kill()
    first.wait()
    contract.result_path(work, "f1", 1).unlink(missing_ok=True)  # if it was done, on a machine that was busy with us
    contract.write(work / "tasks" / "m0" / "f1.json", task)
    half = {name: (here / name).read_bytes() for name in _whole(here)}
    second = lake.mover(work)
    wait_until(lambda: second.poll() is not None or contract.result_path(work, "f1", 1).exists())
    second.terminate()

    assert half
    assert all(contents[name] == content for name, content in half.items())
    assert second.wait(60) == 0
    result = contract.read(contract.result_path(work, "f1", 1), Result)
    assert result is not None
    assert (result.reason, result.bytes_in) == ("", sum(map(len, contents.values())))
    assert {path.name: path.read_bytes() for path in here.iterdir()} == contents
    assert os.listdir(work / "tasks" / "m0") == []


def _whole(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("[!.]*")] if folder.exists() else []
