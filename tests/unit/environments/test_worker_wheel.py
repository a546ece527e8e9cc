"""The worker's wheel is made of what is installed, the same bytes each time."""

import base64
import hashlib
import io
import zipfile

from penstock.environments.worker_wheel import pack_wheel, store_wheel, worker_wheel


def test_equal_input_gives_equal_bytes():
    one = pack_wheel("1.0", {"p/b.py": b"b", "p/a.py": b"a"}, "Name: p\n")
    other = pack_wheel("1.0", {"p/a.py": b"a", "p/b.py": b"b"}, "Name: p\n")
    assert one == other
    assert one.sha256 != pack_wheel("1.0", {"p/a.py": b"a2", "p/b.py": b"b"}, "Name: p\n").sha256


def test_the_record_names_every_file_with_its_digest():
    wheel = worker_wheel()
    with zipfile.ZipFile(io.BytesIO(wheel.content)) as archive:
        names = set(archive.namelist())
        info = next(name.partition("/")[0] for name in names if ".dist-info/" in name)
        rows = dict(row.split(",")[:2] for row in archive.read(f"{info}/RECORD").decode().split())
        assert set(rows) == names
        for name in names - {f"{info}/RECORD"}:
            digest = base64.urlsafe_b64encode(hashlib.sha256(archive.read(name)).digest()).rstrip(b"=").decode()
            assert rows[name] == f"sha256={digest}"
        assert b"Requires-Dist: httptools" in archive.read(f"{info}/METADATA")
    assert "penstock_worker/contract.py" in names
    assert not any("__pycache__" in name for name in names)


def test_a_stored_wheel_is_written_once(tmp_path):
    wheel = pack_wheel("1.0", {}, "")
    file = store_wheel(wheel, tmp_path)
    before = file.stat().st_mtime_ns
    assert store_wheel(wheel, tmp_path) == file
    assert file.stat().st_mtime_ns == before
    assert file.read_bytes() == wheel.content
    assert [path.name for path in file.parent.iterdir()] == [wheel.name]
