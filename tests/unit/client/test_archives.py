"""Archives of versions: what goes in comes out, and nothing else ever does."""

import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.client.archives import Unpacked, read_archive, write_archive
from penstock.client.members import BLOCK, END, header, padding
from penstock.domain.artifact import ArtifactReference, Entry, Tree
from penstock.domain.errors import Code, PenstockError
from penstock.domain.model import DataUse, Lineage, ModelType, ModelVersion

LONG = "m/" + "d" * 120 + "/" + "ü" * 60 + ".bin"
FILES = {"m/MLmodel": b"flavors: {}\n", "m/empty": b"", LONG: bytes(range(256)) * 10, "m/twin": b"flavors: {}\n"}


def a_tree(files: Mapping[str, bytes], executable: tuple[str, ...] = ()) -> Tree:
    return Tree(
        entries=tuple(
            Entry(path=path, sha256=sha(content), size=len(content), executable=path in executable)
            for path, content in files.items()
        )
    )


def a_version(tree: Tree, **fields: Any) -> ModelVersion:
    return ModelVersion(
        name="fraud",
        version="3",
        path=str(ArtifactReference(tree.digest(), tree.entries[0].path.partition("/")[0])),
        type=ModelType.MLFLOW,
        lineage=Lineage(job="r1", git_commit="abc", data=(DataUse(name="train", digest="d1"),), parent="fraud:2"),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        created_by="ann",
        **fields,
    )


def an_archive(files: Mapping[str, bytes] = FILES, *, executable: tuple[str, ...] = (), **fields: Any) -> bytes:
    tree = a_tree(files, executable)
    blobs = {sha(content): content for content in files.values()}
    made = io.BytesIO()
    write_archive(made, a_version(tree, **fields), tree, lambda digest: [blobs[digest]], lambda *_: None)
    return made.getvalue()


def read(archive: bytes, folder: Path) -> Unpacked:
    return read_archive(io.BytesIO(archive), "x.tar.zst", folder, lambda *_: None)


def refused(archive: bytes, folder: Path) -> PenstockError:
    with pytest.raises(PenstockError) as raised:
        read(archive, folder)
    return raised.value


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def packed(tar: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(tar)


def unpacked(archive: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(archive)


def written(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def test_a_version_comes_out_as_it_went_in(tmp_path: Path) -> None:
    fields = {"tags": {"b": "1", "a": "ü"}, "description": "for\nall", "stage": "Production", "aliases": ("champion",)}
    found = read(an_archive(executable=("m/MLmodel",), **fields), tmp_path)
    assert found.version == a_version(found.tree, **fields)
    assert {entry.path: found.files[entry.sha256].read_bytes() for entry in found.tree.entries} == FILES
    assert [entry.path for entry in found.tree.entries if entry.executable] == ["m/MLmodel"]


names = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0\x7f", min_codepoint=32), min_size=1, max_size=60)
paths = st.lists(names.filter(lambda name: name not in (".", "..") and len(name.encode()) <= 255), max_size=3)
contents = st.binary(max_size=2000)


@given(st.dictionaries(paths.map(lambda parts: "/".join(["m", *map(str, parts), "f"])), contents, min_size=1))
def test_any_files_come_out_as_they_went_in(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if any(f"{one}/" in other for one in files for other in files):
            assert refused(an_archive(files), Path(folder)).code is Code.INVALID
            return
        found = read(an_archive(files), Path(folder))
        assert {entry.path: found.files[entry.sha256].read_bytes() for entry in found.tree.entries} == files


def test_the_same_version_makes_the_same_bytes() -> None:
    turned = dict(reversed(FILES.items()))
    one = an_archive(tags={"a": "1", "b": "2"})
    assert one == an_archive(tags={"b": "2", "a": "1"})
    assert unpacked(one).count(b"flavors: {}") == unpacked(an_archive(turned)).count(b"flavors: {}") == 2


def test_tar_reads_it_too() -> None:
    with tarfile.open(fileobj=io.BytesIO(unpacked(an_archive(executable=("m/empty",))))) as tar:
        found = {member.name: (member.mode, tar.extractfile(member).read()) for member in tar}  # type: ignore[union-attr]
    manifest = found.pop("manifest.json")[1]
    assert found.pop("manifest.json.sha256")[1].decode() == f"{sha(manifest)}  manifest.json\n"
    assert {name.removeprefix("files/"): content for name, (_, content) in found.items()} == FILES
    assert found["files/m/empty"][0] == 0o755
    assert json.loads(manifest)["model"]["lineage"]["parent"] == "fraud:2"


def test_sizes_beyond_what_ustar_holds_are_told() -> None:
    large = 9 * 2**30
    found = tarfile.TarFile(fileobj=io.BytesIO(header("files/m/weights", large))).next()
    assert found is not None
    assert (found.name, found.size) == ("files/m/weights", large)


FEW = {"m/a": b"some text", "m/b": bytes(700)}
SMALL, CONTENT = an_archive(FEW), a_version(a_tree(FEW))


@settings(max_examples=300)
@given(st.integers(0, len(SMALL) - 1), st.integers(1, 255))
def test_any_changed_byte_is_refused_or_harmless(place: int, change: int) -> None:
    harmed = bytearray(SMALL)
    harmed[place] ^= change
    harmless_or_refused(bytes(harmed))


@pytest.mark.parametrize("kept", range(0, len(SMALL), 7))
def test_a_cut_archive_is_refused_or_whole(kept: int) -> None:
    harmless_or_refused(SMALL[:kept])


@settings(max_examples=300)
@given(st.data())
def test_any_changed_byte_of_the_tar_is_refused(data: st.DataObject) -> None:
    harmed = bytearray(unpacked(SMALL))
    harmed[data.draw(st.integers(0, len(harmed) - 1))] ^= data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as folder:
        assert refused(packed(bytes(harmed)), Path(folder)).code is Code.INVALID


def harmless_or_refused(archive: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = fault = None
        try:
            found = read(archive, Path(folder))
        except PenstockError as err:
            fault = err
        if found is None:
            assert fault is not None
            assert fault.code is Code.INVALID
            assert "x.tar.zst is not a whole archive" in fault.message
        else:
            assert found.version == CONTENT
            assert {sha(file.read_bytes()) for file in found.files.values()} == set(found.files)


# What somebody else may have written.


def a_manifest(entries: Iterable[Mapping[str, Any]], **model: Any) -> bytes:
    tree = a_tree({"m/a": b"x"})
    fields = {**a_version(tree).model_dump(mode="json"), **model}
    text = {"format": "penstock-model", "format_version": 1, "model": fields, "files": list(entries)}
    return members_of_manifest(json.dumps(text).encode())


def members_of_manifest(text: bytes) -> bytes:
    sum_ = f"{sha(text)}  manifest.json\n".encode()
    name = "manifest.json"
    return b"".join(header(n, len(c)) + c + padding(len(c)) for n, c in ((name, text), (f"{name}.sha256", sum_)))


def a_member(info: tarfile.TarInfo, content: bytes = b"") -> bytes:
    info.size = len(content) or info.size
    return info.tobuf(tarfile.GNU_FORMAT) + content + padding(len(content))


def an_entry(path: str = "m/a", content: bytes = b"x", **fields: Any) -> dict[str, Any]:
    return {"path": path, "sha256": sha(content), "size": len(content), **fields}


GOOD = a_manifest([an_entry()])
NEXT = header("files/m/a", 1) + b"x" + padding(1)


def other(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", target: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return a_member(info, content)


@pytest.mark.parametrize(
    ("tar", "told"),
    [
        (GOOD + other("../../evil", content=b"x") + END, "'files/m/a': in its place stands the file '../../evil'"),
        (GOOD + other("/etc/passwd", content=b"x") + END, "the file '/etc/passwd' of 1 bytes"),
        (GOOD + other("files/m/a", tarfile.SYMTYPE, target="/etc") + END, "the link 'files/m/a'"),
        (GOOD + other("files/m/a", tarfile.LNKTYPE, target="/etc/shadow") + END, "the link 'files/m/a'"),
        (GOOD + other("files/m/a", tarfile.CHRTYPE) + END, "the special file 'files/m/a'"),
        (GOOD + other("files/m/a", tarfile.FIFOTYPE) + END, "the special file 'files/m/a'"),
        (GOOD + other("files/m", tarfile.DIRTYPE) + END, "the folder 'files/m'"),
        (GOOD + NEXT + NEXT + END, "'end': in its place stands the file 'files/m/a'"),
        (GOOD + NEXT + other("files/m/more", content=b"x") + END, "the file 'files/m/more'"),
        (GOOD + NEXT + END + NEXT, "after the last file follows the file 'files/m/a'"),
        (GOOD + END, "'files/m/a': in its place stands"),
        (GOOD + header("files/m/a", 1) + b"y" + padding(1) + END, f"'files/m/a': its SHA-256 is not {sha(b'x')}"),
        (GOOD + header("files/m/a", 1) + b"x" + b"y" * 511 + END, "'files/m/a': in its place"),
        (GOOD + header("files/m/a", 2) + b"xx" + padding(2) + END, "the file 'files/m/a' of 2 bytes"),
        (GOOD + NEXT[:700], "'files/m/a': the file ends here"),
        (header("manifest.json", 2**40), "in its place stands the special file 'PaxHeader'"),
        (GOOD[:300], "'manifest.json': the file ends here"),
        (other("evil", content=b"x") + END, "'manifest.json': in its place stands the file 'evil'"),
        (header("manifest.json", 2**31), "in its place stands the file 'manifest.json' of 2147483648 bytes"),
        (members_of_manifest(b"{}") + END, "'manifest.json': field 'model': Field required"),
        (members_of_manifest(b'{"a":' * 5000) + END, "'manifest.json': field ''"),
        (members_of_manifest(b"\xff\xfe") + END, "'manifest.json': field ''"),
        (b"\0" * 2048, "'manifest.json': in its place stands something that is no member"),
        (b"", "'manifest.json': the file ends here"),
    ],
)
def test_what_the_manifest_does_not_say_is_refused_and_named(tar: bytes, told: str, tmp_path: Path) -> None:
    fault = refused(packed(tar), tmp_path)
    assert fault.code is Code.INVALID
    assert told in fault.message
    assert written(tmp_path) <= 1


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([an_entry("../a")], "'../a' is not a plain relative path"),
        ([an_entry("/etc/passwd")], "'/etc/passwd' is not a plain relative path"),
        ([an_entry("m/a\0")], "is not a plain relative path"),
        ([an_entry(), an_entry()], "'m/a' stands twice"),
        ([an_entry("m"), an_entry("m/a")], "lies below another file"),
        ([an_entry(size=-1)], "negative size"),
        ([an_entry(sha256="../../x")], "is not a SHA-256"),
        ([an_entry(mode="04755")], "'files.0.mode': Extra inputs"),
        ([an_entry(), an_entry("n/a")], "the model lies at"),
        ([an_entry("other/a")], "the model lies at"),
        ([], "an artifact has 1 to"),
    ],
)
def test_a_manifest_that_lies_is_refused(entries: list[dict[str, Any]], told: str, tmp_path: Path) -> None:
    fault = refused(packed(a_manifest(entries) + END), tmp_path)
    assert fault.code is Code.INVALID
    assert told in fault.message
    assert written(tmp_path) == 0


@pytest.mark.parametrize("before", [GOOD, GOOD + header("files/m/a", 1), GOOD + NEXT])
def test_a_bomb_writes_no_more_than_the_manifest_says(before: bytes, tmp_path: Path) -> None:
    bomb = zstandard.ZstdCompressor().compress(before + bytes(64 * 2**20))
    assert len(bomb) < 20_000
    assert refused(bomb, tmp_path).code is Code.INVALID
    assert written(tmp_path) <= 1


def test_more_than_the_disk_has_room_for_is_refused_before_it_is_written(tmp_path: Path) -> None:
    entry = an_entry(size=2**60)
    tree = Tree(entries=(Entry(**entry),))
    tar = a_manifest([entry], path=f"artifact:{tree.digest()}/m") + header("files/m/a", 2**60) + bytes(2**20)
    fault = refused(packed(tar), tmp_path)
    assert fault.code is Code.UNAVAILABLE
    assert "x.tar.zst holds 1152921504606846976 bytes" in fault.message
    assert written(tmp_path) == 0


def test_an_archive_may_not_ask_for_gigabytes_of_memory(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    greedy = compressor.compress(GOOD + NEXT + END) + compressor.flush()
    assert "cannot be decompressed" in refused(greedy, tmp_path).message


@pytest.mark.parametrize("tail", [b"trailing", packed(bytes(BLOCK))])
def test_nothing_may_follow(tail: bytes, tmp_path: Path) -> None:
    assert refused(SMALL + tail, tmp_path).code is Code.INVALID


def test_a_file_that_arrives_damaged_is_not_exported() -> None:
    tree = a_tree({"m/a": b"right"})
    for content in (b"wrong", b"righ", b"right and more"):
        with pytest.raises(PenstockError, match="'m/a' arrived damaged"):
            write_archive(io.BytesIO(), a_version(tree), tree, lambda _, c=content: [c], lambda *_: None)
