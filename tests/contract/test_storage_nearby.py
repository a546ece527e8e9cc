"""Files of this machine and of web servers: what only they have."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
from support.lakes import Lake, a_fetch, a_store

from penstock.domain.datastore import Datastore
from penstock.domain.errors import Code, PenstockError
from penstock.storage import persistence
from penstock.storage.local import LocalStorage
from penstock_worker import batch_contract as contract


def names(path: object, kind: str = "uri_folder") -> list[str]:
    return [file.name for file in LocalStorage().list(str(path), kind)]


def refused(path: object, kind: str = "uri_folder") -> PenstockError:
    with pytest.raises(PenstockError) as caught:
        names(path, kind)
    return caught.value


def test_names_are_sorted_by_their_bytes(tmp_path: Path) -> None:
    for name in ("a.csv", "a/b.csv", "a-b.csv", "B.csv", "é.csv", "a.csv.2"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        if name != "a/b.csv":
            (tmp_path / name).touch()
    (tmp_path / "a" / "b.csv").touch()
    assert names(tmp_path) == ["B.csv", "a-b.csv", "a.csv", "a.csv.2", "a/b.csv", "é.csv"]


def test_links_are_followed_once_and_loops_end(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    (inside / "deep").mkdir(parents=True)
    outside.mkdir()
    (inside / "deep" / "a.csv").touch()
    (outside / "b.csv").touch()
    (inside / "again").symlink_to(inside / "deep")  # listed under its own name alone
    (inside / "deep" / "loop").symlink_to(inside)
    (inside / "elsewhere").symlink_to(outside)
    (outside / "back").symlink_to(inside)
    (inside / "one.csv").symlink_to(outside / "b.csv")

    assert names(inside) == ["deep/a.csv", "elsewhere/b.csv", "one.csv"]


def test_a_link_to_nothing_is_an_error_and_no_gap(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to(tmp_path / "gone.csv")
    error = refused(tmp_path)
    assert error.code is Code.NOT_FOUND
    assert "a.csv is a link to nothing" in error.message


def test_pipes_and_sockets_are_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    assert names(tmp_path) == []
    assert refused(tmp_path / "pipe.csv").code is Code.INVALID


def test_what_exists_under_a_name_with_stars_is_meant(tmp_path: Path) -> None:
    for name in ("a[1].csv", "a1.csv"):
        (tmp_path / name).touch()
    assert names(tmp_path / "a[1].csv", "uri_file") == ["a[1].csv"]
    assert names(f"{tmp_path}/a[12].csv", "uri_file") == ["a1.csv"]


def test_names_that_no_database_holds_are_named(tmp_path: Path) -> None:
    os.close(os.open(os.fsencode(tmp_path) + b"/\xff.csv", os.O_CREAT))
    assert "\\udcff.csv' is not UTF-8" in refused(tmp_path).message


def test_a_folder_a_thousand_deep_is_listed(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(900):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(os.open("a.csv", os.O_CREAT, dir_fd=folder))
    os.close(folder)
    assert names(tmp_path) == ["d/" * 900 + "a.csv"]


def test_no_driver_is_imported_for_files_of_this_machine(tmp_path: Path) -> None:
    source = (
        "import sys, penstock.storage.anywhere; print([m for m in ('fsspec', 's3fs', 'adlfs') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True).stdout == "[]\n"


class _Site(BaseHTTPRequestHandler):
    """`files` are content and ETag by path; those of `moody` fail so many times before they are sent, those of `frail`
    break off so many times, half way through what is left. `lies` is how many bytes too many it promises."""

    files: ClassVar[dict[str, tuple[bytes, str]]] = {}
    moody: ClassVar[dict[str, int]] = {}
    frail: ClassVar[dict[str, int]] = {}
    lies: ClassVar[int] = 0
    sent: ClassVar[int] = 0  # bytes of files

    def do_GET(self) -> None:
        if self.moody.get(self.path, 0) > 0:
            self.moody[self.path] -= 1
            self._begin(503)
        elif self.path == "/denied":
            self._begin(403)
        elif self.path not in self.files:
            self._begin(404)
        else:
            self._send(*self.files[self.path])

    def _send(self, content: bytes, etag: str) -> None:
        start = 0
        if self.headers.get("If-Range") == f'"{etag}"':
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        left = content[start:]
        told = (("ETag", f'"{etag}"'), ("Content-Length", str(len(left) + self.lies)))
        self._begin(206 if start else 200, *told, ("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"))
        if self.command == "GET":
            breaks = self.frail.get(self.path, 0) > 0
            self.frail[self.path] = self.frail.get(self.path, 0) - breaks
            type(self).sent += self.wfile.write(left[: len(left) // 2] if breaks else left)

    do_HEAD = do_GET  # noqa: N815 - http.server's word

    def _begin(self, status: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for header in headers:
            self.send_header(*header)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    _Site.files, _Site.moody, _Site.frail = {}, {}, {}
    _Site.lies = _Site.sent = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(Datastore(type="local", path=str(tmp_path)), tmp_path)


def test_a_file_of_a_web_server_is_listed_and_fetched_though_it_stumbles(site: str, lake: Lake, tmp_path: Path) -> None:
    _Site.files["/a%20b.csv?x=1"] = (b"1,2\n" * 1000, "v1")

    (file,) = lake.storage().list(f"{site}/a%20b.csv?x=1", "uri_folder")
    _Site.moody["/a%20b.csv?x=1"] = 1
    result = lake.move(a_fetch(tmp_path / "here", file))

    assert (file.name, file.size, file.version) == ("a b.csv", 4000, "etag:v1")
    assert result.reason == ""
    assert (tmp_path / "here" / "a b.csv").read_bytes() == b"1,2\n" * 1000


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persistence, "_FIRST_SECONDS", 0.001)


@pytest.mark.usefixtures("impatient")
def test_a_download_that_breaks_off_again_and_again_goes_on_where_it_was(site: str, lake: Lake, tmp_path: Path) -> None:
    content = random.Random(1).randbytes(3 * 2**20)
    _Site.files["/a.csv"], _Site.frail["/a.csv"] = (content, "v1"), 12
    (file,) = lake.storage().list(f"{site}/a.csv", "uri_file")

    result = lake.move(a_fetch(tmp_path / "here", file))

    assert result.reason == ""
    assert (tmp_path / "here" / "a.csv").read_bytes() == content
    assert _Site.sent < 2 * len(content)


@pytest.mark.usefixtures("impatient")
def test_a_download_that_breaks_off_and_has_changed_since_is_an_error(site: str, lake: Lake, tmp_path: Path) -> None:
    _Site.files["/a.csv"], _Site.frail["/a.csv"] = (b"1,2\n" * 1000, "v1"), 1
    (file,) = lake.storage().list(f"{site}/a.csv", "uri_file")
    send = _Site._send

    def changed(self: _Site, content: bytes, etag: str) -> None:
        send(self, content, etag)
        _Site.files["/a.csv"] = (b"3,4\n" * 1000, "v2")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Site, "_send", changed)
        result = lake.move(a_fetch(tmp_path / "here", file))

    assert (result.reason, result.message) == (contract.INPUT_CHANGED, f"{site}/a.csv has changed")
    assert os.listdir(tmp_path / "here") == []


@pytest.mark.usefixtures("impatient")
def test_a_web_server_that_promises_more_than_it_sends_is_an_error(site: str, lake: Lake, tmp_path: Path) -> None:
    _Site.files["/a.csv"], _Site.lies = (b"1,2\n" * 1000, "v1"), 10
    (file,) = lake.storage().list(f"{site}/a.csv", "uri_file")

    result = lake.move(a_fetch(tmp_path / "here", file))

    assert result.reason == contract.STORAGE_UNAVAILABLE
    assert f"{site}/a.csv" in result.message
    assert "peer closed connection" in result.message
    assert os.listdir(tmp_path / "here") == []


def test_a_file_of_a_web_server_that_changed_is_not_fetched(site: str, lake: Lake, tmp_path: Path) -> None:
    _Site.files["/a.csv"] = (b"old", "v1")
    (file,) = lake.storage().list(f"{site}/a.csv", "uri_file")
    _Site.files["/a.csv"] = (b"new", "v2")

    result = lake.move(a_fetch(tmp_path / "here", file))

    assert result.reason == contract.INPUT_CHANGED
    assert os.listdir(tmp_path / "here") == []


@pytest.mark.parametrize(
    ("path", "code"), [("/gone.csv", Code.NOT_FOUND), ("/denied", Code.DENIED), ("/folder/", Code.INVALID)]
)
def test_web_servers_refuse_in_words(site: str, lake: Lake, path: str, code: Code) -> None:
    _Site.files["/folder/"] = (b"<html>", "x")
    with pytest.raises(PenstockError) as caught:
        lake.storage().list(site + path, "uri_file")
    assert caught.value.code is code
    assert site + path in caught.value.message


def test_nothing_is_stored_on_a_web_server(site: str, lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    result = lake.move(a_store(tmp_path / "out", f"{site}/results"))
    assert result.reason == contract.STORAGE_DENIED
    assert "s3://" in result.message


def test_a_full_disk_is_told_apart(site: str, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _Site.files["/a.csv"] = (b"x", "v1")
    (file,) = lake.storage().list(f"{site}/a.csv", "uri_file")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)

    assert lake.move(a_fetch(tmp_path / "here", file)).reason == contract.NO_SPACE
    assert os.listdir(tmp_path / "here") == []
