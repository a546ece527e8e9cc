"""Ten minutes of steady requests and a random fault every ten seconds: no request may be lost, none answered wrongly.

Ends with 1 if one was, or if the platform was not well again after a fault. Lines come as faults end; then a table.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests"))  # how tests run a platform

from faults import FAULTS, NEEDS_LOG_DISK, NEEDS_MLFLOW, mounted_logs, unmount  # noqa: E402
from stage import Stage, deploy  # noqa: E402
from steady import Steady, Tally  # noqa: E402
from support.registry import mlflow_command  # noqa: E402
from support.running import a_platform  # noqa: E402

from penstock.client.client import Client  # noqa: E402

NOTHING = "nothing"  # the time between faults


@dataclass(frozen=True)
class Span:
    """One time of a fault, or the time between two. Its tally is final once the load has ended."""

    name: str
    tally: Tally
    seconds: float  # until all was well again


class Report:
    """What became of all requests, by what happened when they ended."""

    def __init__(self, load: Steady) -> None:
        self._load = load
        self._spans: list[Span] = []
        self.unhealed: list[str] = []

    def end(self, name: str, seconds: float = 0.0) -> Tally:
        """What has ended since the last call is counted for `name`."""
        ended, self._load.tally = self._load.tally, Tally()
        self._spans.append(Span(name, ended, seconds))
        return ended

    def row(self, name: str | None = None) -> tuple[int, float, Tally]:
        """How often it happened, after how many seconds at most all was well again, and its requests; None: of all."""
        spans = [span for span in self._spans if name in (None, span.name)]
        total = Tally()
        for span in spans:
            total.add(span.tally)
        return len(spans), max((span.seconds for span in spans), default=0.0), total

    def rows(self) -> dict[str, tuple[int, float, Tally]]:
        return {name: self.row(name) for name in FAULTS if self.row(name)[0]}

    def text(self) -> str:
        lines = ["| fault | times | healed within | requests | lost | wrong | sent again | slowest answer |"]
        lines.append("|---|---:|---:|---:|---:|---:|---:|---:|")
        lines += [
            _line(name, f"{times} | {longest:.1f} s", tally) for name, (times, longest, tally) in self.rows().items()
        ]
        lines += [_line(name, " | ", self.row(which)[2]) for name, which in ((NOTHING, NOTHING), ("all", None))]
        return "\n".join(lines)


def _line(name: str, happened: str, tally: Tally) -> str:
    counts = f"{tally.ended:,} | {tally.lost} | {tally.wrong} | {tally.resent} | {tally.slowest * 1000:.0f} ms"
    return f"| {name} | {happened} | {counts} |"


def main() -> int:
    given = _options()
    with _stage(given) as (stage, names):
        began = time.monotonic()
        with stage.load as load:
            report = Report(load)
            load.wait_for(200)
            schedule = iter(names) if given.each_once else _at_random(names, stage.random, began + given.seconds)
            for number, name in enumerate(schedule):
                time.sleep(max(0.0, began + (number + 1) * given.every - time.monotonic()))
                _happen(stage, report, name, began)
            time.sleep(max(0.0, began + given.seconds - time.monotonic()))
        seconds = time.monotonic() - began
        report.end(NOTHING)
    return _verdict(report, load.asked, seconds, given.output)


def _happen(stage: Stage, report: Report, name: str, began: float) -> None:
    report.end(NOTHING)
    at = time.monotonic()
    try:
        FAULTS[name](stage)
        stage.await_answers()
    except Exception as err:  # noqa: BLE001 - whatever it was, the soak goes on and says so at its end
        report.unhealed.append(f"{name} at {at - began:.0f} s: {type(err).__name__}: {err}")
    tally = report.end(name, time.monotonic() - at)
    said = f"{tally.ended:,} requests, {tally.lost} lost, {tally.wrong} wrong, {tally.resent} sent again"
    slowest = f"slowest {tally.slowest * 1000:.0f} ms"
    print(f"{at - began:6.1f} s  {name}: {time.monotonic() - at:.1f} s; {said}, {slowest}", flush=True)


def _at_random(names: list[str], dice: random.Random, end: float) -> Iterator[str]:
    """Each as often as the others: rounds in random order."""
    while True:
        for name in dice.sample(names, len(names)):
            if time.monotonic() >= end:
                return
            yield name


@contextmanager
def _stage(given: argparse.Namespace) -> Generator[tuple[Stage, list[str]]]:
    """The stage, and the faults that can happen on it."""
    with tempfile.TemporaryDirectory(prefix="penstock-soak-") as folder:
        home = Path(folder) / "home"
        logs = home / "logs"
        mounted = mounted_logs(logs)
        try:
            variables = {"PENSTOCK_MLFLOW": str(mlflow_command())}
            shared = given.environments
            with ExitStack() as exits, a_platform(home, variables, environments=shared) as platform:
                callers = deploy(platform, Path(folder))
                token = (home / "token").read_text().strip()
                client = exits.enter_context(Client(platform.server["url"], token))
                names = [name for name in _possible(mounted) if name not in given.without]
                if NEEDS_MLFLOW in names:
                    client.models.list()  # it runs
                load = Steady(platform.gateway_port, list(callers.values()), given.rate, given.connections)
                stage = Stage(platform, client, random.Random(given.seed), callers, load)
                yield stage, names
        finally:
            if mounted:
                unmount(logs)


def _possible(mounted: bool) -> list[str]:
    left_out = () if mounted else NEEDS_LOG_DISK
    for name in left_out:
        print(f"left out, as only root may mount a small disk: {name}", flush=True)
    return [name for name in FAULTS if name not in left_out]


def _verdict(report: Report, asked: int, seconds: float, output: Path | None) -> int:
    total = report.row()[2]
    print(f"\n{report.text()}\n\n{asked:,} requests in {seconds:.0f} s, {asked / seconds:.0f} per second")
    for trouble, count in total.troubles.most_common(20):
        print(f"{count} times: {trouble}")
    for fault in report.unhealed:
        print(f"not well again after {fault}")
    if asked != total.ended:
        print(f"{asked - total.ended} requests are unaccounted for")
    if output is not None:
        rows = {name: {"times": times, **vars(tally)} for name, (times, _, tally) in report.rows().items()}
        facts = {"asked": asked, "seconds": seconds, "unhealed": report.unhealed}
        output.write_text(json.dumps({**facts, "faults": rows, "all": vars(total)}))
    return int(total.right != asked or bool(report.unhealed))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long (default 600)")
    parser.add_argument("--every", type=float, default=10.0, help="seconds from fault to fault (default 10)")
    parser.add_argument("--each-once", action="store_true", help="every fault once, in the order of the list")
    parser.add_argument("--without", action="append", default=[], choices=FAULTS, help="a fault that shall not happen")
    parser.add_argument("--seed", type=int, default=1, help="of what happens when (default 1)")
    parser.add_argument("--rate", type=float, default=600.0, help="requests per second (default 600)")
    parser.add_argument("--connections", type=int, default=32, help="kept-alive connections (default 32)")
    parser.add_argument("--environments", type=Path, help="folder of environments that others share")
    parser.add_argument("--output", type=Path, help="file for the figures, as JSON")
    given = parser.parse_args()
    if given.each_once:
        given.seconds = 0.0
    return given


if __name__ == "__main__":
    sys.exit(main())
