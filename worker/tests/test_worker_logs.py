"""The log file of a real worker."""

import stat
import time
from collections.abc import Callable
from typing import Any

from penstock_worker import contract


def test_log_files_are_rotated_without_losing_a_line(start_worker: Callable[..., Any]) -> None:
    worker = start_worker(
        """
        import json, os
        def init(): pass
        def run(data):
            first, count = json.loads(data)
            for number in range(first, first + count):
                print("line", number)
                os.write(2, b"raw %d\\n" % number)
        """,
        **{contract.LOG_BYTES: "20000"},
    )
    rotated = worker.folder / "log.1"
    number = 0
    while not rotated.exists():
        assert worker.score([number, 100]).status == 200
        number += 100
        time.sleep(0.05)
        assert number < 100_000
    worker.score([number, 10])
    lines = rotated.read_text().splitlines() + worker.log.splitlines()
    printed = [line.partition(" azmlinfsrv.print - ")[2] for line in lines if "azmlinfsrv.print - line" in line]
    assert printed == [f"line {each}" for each in range(number + 10)]
    assert [line for line in lines if line.startswith("raw")] == [f"raw {each}" for each in range(number + 10)]
    assert worker.log.endswith(f"raw {number + 9}\n")
    assert stat.S_IMODE((worker.folder / "log").stat().st_mode) == 0o600
