"""A deployment that is slow is told why; what the doctor advises makes it fast, and load says how much it takes."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
from support.running import a_platform

EXAMPLE = Path(__file__).parents[2] / "examples" / "slow"


def test_the_doctor_finds_what_is_loaded_in_run_and_its_advice_helps(tmp_path: Path) -> None:
    files = shutil.copytree(EXAMPLE, tmp_path / "slow", ignore=shutil.ignore_patterns("model"))
    subprocess.run([sys.executable, str(files / "make.py")], check=True)
    size = (files / "model" / "features.json").stat().st_size
    opened = next(
        number
        for number, line in enumerate((files / "before" / "score.py").read_text().splitlines(), 1)
        if "open(" in line
    )
    with a_platform(tmp_path / "home") as platform:
        platform.run("apply", "-f", files)

        before: Any = platform.json("doctor", "-e", "slow", "-d", "before", "--seconds", 3)
        (file,) = [h for trace in before["traces"] for h in trace["happenings"] if h["kind"] == "file"]
        assert (file["file"], file["line"], file["function"]) == ("score.py", opened, "load_features")
        assert file["bytes"] == size * file["runs"] > 0
        assert file["names"][0].endswith("/features.json")
        first = before["findings"][0]
        assert (first["severity"], first["where"]) == ("serious", f"score.py:{opened} in load_features()")
        assert "MB) in every call" in first["what"]
        assert "init()" in first["advice"]

        # The same, with the table loaded in init().
        after: Any = platform.json("doctor", "-e", "slow", "-d", "after", "--seconds", 3)
        assert [h for trace in after["traces"] for h in trace["happenings"]] == []
        assert after["requests"] > before["requests"] > 0
        assert after["stages"]["run"]["p50"] < before["stages"]["run"]["p50"] / 10
        whole = "whole, as a caller sees it"
        assert after["stages"][whole]["p50"] < before["stages"][whole]["p50"]

        table = platform.run("doctor", "-e", "slow", "-d", "before", "--seconds", 1, "-o", "table").stdout
        assert "features.json" in table
        assert f"score.py:{opened}" in " ".join(table.split())

        load = ("doctor", "-e", "slow", "-d", "after", "--load", "--p99", "2s", "--rate", 1_000_000, "--seconds", 4)
        capacity = platform.json(*load)["capacity"]
        within = [step["rate"] for step in capacity["steps"] if step["p99"] <= 2 and not step["offered"]]
        assert max(within) >= capacity["rate"] >= 0.4 * max(within)
        assert capacity["instance_count"] > 1
        assert capacity["max_concurrent_requests_per_instance"] >= 1
        assert {status for step in capacity["steps"] for status in step["statuses"]} <= {"200", "429"}

        refused = platform.run("doctor", "--load", check=False)
        assert (refused.returncode, "give --endpoint" in refused.stderr) == (2, True)

        counted: Any = platform.json("metrics", "-e", "slow", "--seconds", 0.2)
        assert {row["instance"].rsplit(".", 2)[0] for row in counted} == {"slow.before", "slow.after"}
        assert all(row["memory_mb"] > 1 for row in counted)

        url, token = platform.server["url"], (platform.home / "token").read_text().strip()
        assert httpx.get(f"{url}/metrics", timeout=60).status_code == 401
        text = httpx.get(f"{url}/metrics", headers={"Authorization": f"Bearer {token}"}, timeout=60).text
        ours = [line for line in text.splitlines() if line.startswith('penstock_requests_total{endpoint="slow"')]
        answered = {line for line in ours if 'status="2xx"' in line and not line.endswith(" 0.0")}
        assert {line.partition('deployment="')[2].partition('"')[0] for line in answered} == {"before", "after"}
        assert "haproxy_server_queue_time_average_seconds" in text
