"""Collected records as files: what is read of them, their Parquet files, and how long they are kept."""

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from penstock.domain.errors import PenstockError
from penstock.online.record_keeper import RecordKeeper
from penstock.telemetry.records import Records
from penstock_worker.record import Content, Record, line_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Site:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.records = Records(root)

    def write(
        self, collection: str, at: datetime, correlation: str, data: Any, instance: str = "i", **extra: Any
    ) -> Path:
        """Add a record as an instance does."""
        record = Record(collection, correlation, "", at.timestamp(), 0, lambda: Content(b""), extra=extra)
        folder = self.root / "modelDataCollector" / "fraud" / "blue" / collection / at.strftime("%Y/%m/%d/%H")
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{instance}.jsonl"
        with file.open("ab") as stream:
            text = json.dumps(data).encode()
            stream.write(line_of(record, f"{correlation}-id", "/x", text, beside="datainblob" in extra))
        return file

    def read(self, collection: str, start: datetime, end: datetime) -> pl.DataFrame:
        return self.records.read("fraud", "blue", collection, start, end)

    def keep(self, now: datetime, days: int = 30) -> None:
        RecordKeeper(self.root, timedelta(days=days), lambda: now).step()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_inputs_and_outputs_of_a_window_join_row_by_row(site: Site) -> None:
    for minute in range(0, 180, 10):
        at, name = NOON + timedelta(minutes=minute), f"r{minute}"
        site.write("model_inputs", at, name, [{"x": minute, "y": None, "0": 7}, {"x": minute + 0.5, "y": "b", "0": 7}])
        site.write("model_outputs", at, name, [{"0": minute / 10}, {"0": -1.0}], instance="other")
    site.write("model_inputs", NOON + HOUR, "without-output", [{"x": 1, "y": "c", "0": 7}])

    joined = site.records.joined("fraud", "blue", NOON + HOUR, NOON + 2 * HOUR)

    assert joined.columns == ["correlationid", "record_id", "record_time", "xrequestid", "x", "y", "0", "0_output"]
    assert joined["x"].to_list() == [value for m in range(60, 120, 10) for value in (m, m + 0.5)]
    assert joined["0_output"].to_list() == [value for m in range(60, 120, 10) for value in (m / 10, -1.0)]
    assert joined["correlationid"][:2].to_list() == ["r60_0", "r60_1"]


def test_closed_hours_become_parquet_and_read_the_same(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    file = site.write("model_inputs", NOON, "a", [{"n": 1, "t": "x"}])
    site.write("model_inputs", NOON, "b", [{"n": 2.5, "t": None, "nested": {"k": [1]}}])
    mixed = site.write("model_inputs", NOON, "c", [{"n": "text now"}], instance="mixed")
    (mixed.parent / "mixed").mkdir()
    (mixed.parent / "mixed" / "big").write_text('[{"n": "from beside"}]')
    site.write("model_inputs", NOON, "d", "mixed/big", instance="mixed", datainblob="true")
    payload = site.write("request", NOON, "e", {"any": ["thing"]}, method="POST")
    before = {name: site.read(name, NOON, NOON + HOUR) for name in ("model_inputs", "request")}
    with file.open("ab") as stream:
        stream.write(b'{"specversion": "1.0", "id": "torn')  # by an instance that was killed

    site.keep(NOON + HOUR)
    assert not list(site.root.rglob("*.parquet"))  # lines may still come

    # A compaction that is killed leaves nothing half done; the next one goes on.
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            site.keep(NOON + 2 * HOUR)
    assert not list(site.root.rglob("*.parquet"))
    site.keep(NOON + 2 * HOUR)
    made = {path: path.stat().st_mtime_ns for path in site.root.rglob("*.parquet")}
    assert set(made) == {each.with_suffix(".parquet") for each in (file, mixed, payload)}
    assert all(path.stat().st_mode & 0o077 == 0 for path in made)
    for name, table in before.items():
        assert_frame_equal(site.read(name, NOON, NOON + HOUR), table)
    assert before["model_inputs"]["n"].to_list() == ["1.0", "2.5", "text now", "from beside"]
    assert before["request"]["data"].to_list() == ['{"any": ["thing"]}']

    site.keep(NOON + 3 * HOUR)
    assert {path: path.stat().st_mtime_ns for path in made} == made
    site.write("model_outputs", NOON, "late", [{"0": 1}])  # a file that comes late is made too
    site.keep(NOON + 3 * HOUR)
    assert len(list(site.root.rglob("*.parquet"))) == 4


def test_what_is_older_than_asked_for_is_removed(site: Site) -> None:
    old, new = site.write("model_inputs", NOON, "a", [{}]), site.write("model_inputs", NOON + 48 * HOUR, "b", [{}])
    site.keep(NOON + 49 * HOUR, days=2)
    assert (old.parent.exists(), old.parents[1].exists(), new.exists()) == (False, False, True)


def test_what_there_is_is_told_and_what_there_is_not_too(site: Site) -> None:
    assert not site.records.collections("fraud", "blue")
    site.write("model_inputs", NOON, "a", [{"x": 1}])
    file = site.write("model_inputs", NOON + HOUR, "b", [{"x": 1}])
    (told,) = site.records.collections("fraud", "blue")
    assert (told.name, told.records, told.bytes) == ("model_inputs", 2, 2 * file.stat().st_size)
    with pytest.raises(PenstockError, match="nothing as 'model_input'; there are model_inputs"):
        site.read("model_input", NOON, NOON + HOUR)
    with pytest.raises(PenstockError, match="nothing as"):
        site.records.lines("fraud", "blue", "nowhere", NOON, NOON + HOUR)
    assert len(list(site.records.lines("fraud", "blue", "model_inputs", NOON, NOON + HOUR))) == 1
    with pytest.raises(PenstockError, match="nothing as"):
        site.read("../blue/model_inputs", NOON, NOON + HOUR)
    shutil.rmtree(site.root)
    lines = [b for b in Records(site.root).collections("fraud", "blue")]
    assert lines == []
