"""Finishing that is killed: at random moments, and between any two lines."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SOURCE = Path(__file__).parent.parent.parent / "src"

# Forks a process that finishes a job and kills it: after a time of chance, or by itself before a line of chance of our
# code. What finishing once more comes to is held against what an undisturbed one has come to.
PROGRAM = """
import json, os, random, shutil, signal, sys, time
from dataclasses import asdict
from pathlib import Path
from penstock_worker import batch_contract
from penstock_worker.batch import finishing, parquet_join
from penstock_worker.batch_contract import ManifestLine, Order, Task

root, mode, form, seed = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
names = sorted(os.listdir(root / "parts"))
chance = random.Random(seed)

def job(number):
    work = root / f"work{number}"
    work.mkdir()
    os.symlink(root / "parts", work / "parts")
    lines = [ManifestLine(name, "rejects" if "rejects" in name else "rows", f"f{name[:2]}/a.csv", 1) for name in names]
    (work / "manifest").write_text("".join(json.dumps(asdict(line)) + chr(10) for line in lines))
    out = root / f"out{number}"
    (out / "f00").mkdir(parents=True)
    (out / "f00" / "others").write_text("kept")
    return work, out

def finish(work, out):
    order = Order("job", "append_row", form, mode, "predictions.csv", str(out))
    return finishing.finish(work, Task("finish", "finish", 1, manifest=str(work / "manifest")), order, lambda: None)

def forked(work, out, line=0):
    lines = 0
    def trace(frame, event, _):
        nonlocal lines
        if "penstock_worker" not in frame.f_code.co_filename:
            return None
        lines += event == "line"
        if event == "line" and lines == line:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    child = os.fork()
    if child == 0:
        sys.settrace(trace)
        os._exit(1 if finish(work, out).reason else 0)
    return child

def snapshot(out):
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}

# How long it takes, and how many lines, undisturbed.
work, out = job("calm")
lines = 0
def count(frame, event, _):
    global lines
    if "penstock_worker" not in frame.f_code.co_filename:
        return None
    lines += event == "line"
    return count
sys.settrace(count)
began = time.monotonic()
assert not finish(work, out).reason
sys.settrace(None)
seconds = time.monotonic() - began
expected = snapshot(out)

kills, wrong = 0, []
for number in range(int(sys.argv[5])):
    work, out = job(number)
    for _ in range(chance.randrange(1, 4)):
        if number % 2:
            child = forked(work, out, chance.randrange(1, lines))
        else:
            child = forked(work, out)
            time.sleep(chance.uniform(0, seconds))
            os.kill(child, signal.SIGKILL)
        kills += os.WIFSIGNALED(os.waitpid(child, 0)[1])
    # Killed for the last time: now it comes to its end.
    if os.waitpid(forked(work, out), 0)[1] or snapshot(out) != expected:
        wrong.append((number, sorted(snapshot(out))))
print(json.dumps({"kills": kills, "wrong": wrong, "files": sorted(expected)}))
"""


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        pytest.param("one_file", "parquet", id="one file, joined"),
        pytest.param("per_input", "csv", id="one for each input"),
        pytest.param("partitioned", "csv", id="linked parts"),
    ],
)
def test_killed_at_any_moment_it_comes_to_the_same_files_in_the_end(tmp_path: Path, mode: str, form: str) -> None:
    (tmp_path / "parts").mkdir()
    for number in range(6):
        part = tmp_path / "parts" / f"{number // 2:02d}{number}-1.{form}"
        if form == "parquet":
            pq.write_table(pa.table({"p": [number]}), part)
        else:
            part.write_text(f"{number}\n")
    (tmp_path / "parts" / "rejects.jsonl").write_text("{}\n")

    command = [sys.executable, "-c", PROGRAM, str(tmp_path), mode, form, "1", "14"]
    run = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(SOURCE)}, check=False)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert told["wrong"] == []
    assert told["kills"] >= 10
    assert len(told["files"]) == {"one_file": 3, "per_input": 5, "partitioned": 8}[mode]
