"""What is kept for a later control plane."""

from pathlib import Path

import pytest
from support.gateway import a_backend, a_table

from penstock.domain.errors import Code, PenstockError
from penstock.gateway.folder import Folder, Saved
from penstock.gateway.settings import GatewaySettings
from penstock.gateway.table import Server


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(GatewaySettings(folder=tmp_path / "gateway", run_folder=tmp_path / "run", owner="x"))
    made.prepare()
    made.prepare()
    return made


def test_what_was_saved_is_read_again(folder: Folder) -> None:
    server = Server(name="a", address="/a", draining=True)
    saved = Saved(port=1234, table=a_table(a_backend("blue", server), mirror={"blue": 5}))
    folder.save(saved)
    assert folder.saved() == saved
    assert (folder.path / "applied.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", [None, "", "{", '{"port": 1}'], ids=["absent", "empty", "cut off", "incomplete"])
def test_what_cannot_be_read_is_nothing(folder: Folder, text: str | None) -> None:
    if text is not None:
        (folder.path / "applied.json").write_text(text)
    assert folder.saved() is None


def test_a_disk_that_refuses_is_named_and_nothing_half_written_stays(folder: Folder) -> None:
    (folder.path / "servers.state").mkdir()
    with pytest.raises(PenstockError, match=r"servers\.state cannot be written") as caught:
        folder.write_states("after")
    assert caught.value.code is Code.UNAVAILABLE
    assert [path.name for path in folder.path.glob("*servers.state*")] == ["servers.state"]


def test_a_large_log_is_kept_once_and_begun_anew(folder: Folder) -> None:
    folder.log.write_bytes(b"x" * (10 * 1024 * 1024 + 1))
    folder.rotate_log()
    assert folder.log_end() == 0
    assert (folder.path / "haproxy.log.1").stat().st_size == 10 * 1024 * 1024 + 1
    folder.log.write_text("short")
    folder.rotate_log()
    assert folder.log_tail(0) == "short"
