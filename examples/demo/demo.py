"""The demo: from nothing to a blue/green endpoint and back from a bad release, on real models, every claim checked.

Run it with `make demo`. It uses what every user has: the `penstock` command and HTTP. All it makes lies in a temporary
folder, which is removed at the end, whatever the end.
"""

import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from commands import CommandError, Platform, run
from load import Answer, Endpoint, percentile, send, steady_load
from uv import find_uv_bin

EXAMPLES = Path(__file__).resolve().parents[1]
GENERATED = shutil.ignore_patterns("models", "model", "data", "test.json", "__pycache__")
TRAINING_PACKAGES = ("scikit-learn>=1.5,<2",)
REQUESTS = 2000
FILES, TIMES = 10, 1000  # of the job; how often each wine stands in them
GREEN_PERCENT = 10
SPLIT_TOLERANCE = 3.0  # points; about 4.5 standard deviations of a 10 % draw among 2,000
ROLLBACK_SECONDS = 1.0
GUARD_SECONDS = 30.0


class ClaimError(Exception):
    """Something that the demo says is not so."""


class Demo:
    """The story, told in order by `tell`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._wine = folder / "examples" / "wine"
        self._began = time.monotonic()
        self._step = 0
        self.platform = Platform(folder / "home")
        self.endpoint: Endpoint | None = None

    def tell(self) -> None:
        self._title("Train two scikit-learn models on data that ships with it")
        test = self._train()
        self._title("Start the platform")
        self.platform("up", "--detach", "--port", "0", "--gateway-port", "0")
        self._title("Deploy blue, a logistic regression, with Azure Machine Learning's own YAML")
        endpoint = self._create_endpoint()
        self._deploy(self._wine / "blue-deployment.yml", "--all-traffic")
        self._title("Deploy green, a random forest, beside it; it gets no traffic yet")
        self._deploy(self._wine / "green-deployment.yml")
        self._title(f"Score the {len(test['rows'])} wines that neither model has seen, over HTTP")
        for name in ("blue", "green"):
            self._compare(endpoint, name, test)
        self._title(f"Score {TIMES * len(test['rows']):,} wines in a batch job, with a script that reads files")
        self._score_files(test)
        bodies = _bodies(test["rows"])
        self._title(f"Give green {GREEN_PERCENT} % of the traffic, and count")
        self._split(endpoint, bodies)
        self._title("Release a broken green: it loads, but every request to it fails")
        self._break_and_roll_back(endpoint, bodies)
        self._title("Release it again, this time under guards: nobody looks on")
        self._release_under_guards(endpoint, bodies)
        print(f"\nAll claims hold. {time.monotonic() - self._began:.0f} s in all.", flush=True)

    def _train(self) -> dict[str, Any]:
        shutil.copytree(EXAMPLES, self._folder / "examples", ignore=GENERATED)
        venv = self._folder / "training"
        python = venv / "bin" / "python"
        uv = find_uv_bin()
        run((uv, "venv", "--quiet", "--python", sys.executable, str(venv)))
        run((uv, "pip", "install", "--quiet", "--python", str(python), *TRAINING_PACKAGES))
        for line in run((str(python), str(self._wine / "train.py"))).splitlines():
            self._say(line.rpartition(",")[0])
        return json.loads((self._wine / "test.json").read_text())

    def _create_endpoint(self) -> Endpoint:
        self.platform("online-endpoint", "create", "-f", "endpoint.yml", folder=self._wine)
        url = self.platform("online-endpoint", "show", "--name", "wine")["scoring_uri"]
        key = self.platform("online-endpoint", "get-credentials", "--name", "wine")["primaryKey"]
        self.endpoint = Endpoint(url, key)
        return self.endpoint

    def _deploy(self, file: Path, *options: str) -> None:
        began = time.monotonic()
        self.platform("online-deployment", "create", "-f", file.name, *options, folder=file.parent)
        self._say(f"serving after {time.monotonic() - began:.1f} s")

    def _compare(self, endpoint: Endpoint, name: str, test: dict[str, Any]) -> None:
        """The endpoint must give the very answers that the model gave where it was trained."""
        answers = send(endpoint, _bodies(test["rows"]), deployment=name)
        _claim(all(answer.status == 200 for answer in answers), f"{name} answers every request", _first_bad(answers))
        served = [json.loads(answer.body)["predictions"][0] for answer in answers]
        trained = test["predictions"][name]
        there, here = _accuracy(served, test["labels"]), _accuracy(trained, test["labels"])
        self._say(f"{name:5}  accuracy through the endpoint {there:.4f}, in the training process {here:.4f}")
        _claim(served == trained, f"{name} predicts through the endpoint what it predicted in the training process")

    def _score_files(self, test: dict[str, Any]) -> None:
        """The job must come to the answers of the training process, for each row once and in the order of the files."""
        data = self._folder / "wines"
        _write_wines(data, test["rows"])
        here = self._folder / "examples" / "demo"
        self.platform("batch-endpoint", "create", "-f", "batch-endpoint.yml", folder=here)
        self.platform("batch-deployment", "create", "-f", "batch-deployment.yml", "--set-default", folder=here)
        job = self.platform("batch-endpoint", "invoke", "-n", "wines", "--input", str(data), "--watch")
        folder = self._folder / "scores"
        self.platform("job", "download", "-n", job["name"], "--download-path", str(folder), told=False)
        lines = (folder / "named-outputs" / "score" / "predictions.csv").read_text().splitlines()
        names = [path.name for path in sorted(data.iterdir())]
        trained = [f"{number},{label}" for number, label in enumerate(test["predictions"]["blue"])]
        expected = [f"{name},{line}" for name in names for line in trained * (TIMES // FILES)]
        _claim(lines == expected, "the job predicts each row once, in order, as the training process did")
        seconds = _seconds_between(job["started_at"], job["ended_at"])
        self._say(f"{len(lines):,} rows of {len(names)} files in {seconds:.1f} s, every prediction as in training")
        self._say(f"the first line of the output: {lines[0]}")

    def _split(self, endpoint: Endpoint, bodies: Sequence[bytes]) -> None:
        self.platform(
            "online-endpoint",
            "update",
            "--name",
            "wine",
            "--traffic",
            f"blue={100 - GREEN_PERCENT} green={GREEN_PERCENT}",
        )
        answers = send(endpoint, [bodies[i % len(bodies)] for i in range(REQUESTS)])
        _claim(all(answer.status == 200 for answer in answers), "no request fails", _first_bad(answers))
        share = 100 * sum(answer.deployment == "green" for answer in answers) / len(answers)
        self._say(f"{len(answers)} requests, 0 failed: blue {100 - share:.1f} %, green {share:.1f} %")
        for name in ("blue", "green"):
            own = [answer for answer in answers if answer.deployment == name]
            self._say(f"{name:5}  p50 {percentile(own, 50):.1f} ms, p99 {percentile(own, 99):.1f} ms")
        _claim(abs(share - GREEN_PERCENT) <= SPLIT_TOLERANCE, f"green gets {GREEN_PERCENT} % of the traffic")

    def _break_and_roll_back(self, endpoint: Endpoint, bodies: Sequence[bytes]) -> None:
        self._deploy(self._folder / "examples" / "demo" / "green-broken-deployment.yml")
        with steady_load(endpoint, bodies) as answers:
            _wait_for_bad(answers)
            asked = time.monotonic()
            self.platform("online-endpoint", "rollback", "--name", "wine")
            took = time.monotonic() - asked
            time.sleep(1.0)
        bad = [answer for answer in answers if _is_bad(answer)]
        before = [answer for answer in bad if answer.received < asked]
        last = max(answer.received for answer in bad) - asked
        self._say(f"{len(before)} bad responses (such as HTTP {bad[0].status}) before the rollback was asked for")
        self._say(f"the rollback took {took:.2f} s; last bad response {max(0.0, last):.2f} s after it was asked for")
        if last > ROLLBACK_SECONDS:
            self._say(f"more than {ROLLBACK_SECONDS:.0f} s: something else keeps this machine busy")
        _claim(last < took, "no bad response comes after the rollback has returned")
        after = send(endpoint, bodies)
        _claim(not any(map(_is_bad, after)), "blue answers everything after the rollback", _first_bad(after))
        self._say(f"{len(after)} more requests: all answered by blue")

    def _release_under_guards(self, endpoint: Endpoint, bodies: Sequence[bytes]) -> None:
        with steady_load(endpoint, bodies) as answers:
            began = time.monotonic()
            steps = ("--steps", f"{GREEN_PERCENT}, 100", "--bake-time", "1m")
            self.platform("rollout", "start", "-e", "wine", "--to", "green", *steps)
            rollout = _ended(self.platform)
            took = time.monotonic() - began
        _claim(rollout["phase"] == "rolled_back", "the guards take the broken release back", rollout["message"])
        self._say(f"taken back by itself after {took:.1f} s: {rollout['message']}")
        bad = [answer for answer in answers if _is_bad(answer)]
        self._say(f"{len(bad)} of {len(answers)} responses were bad, all of them green's")
        _claim({answer.deployment for answer in bad} <= {"green"}, "nobody whom blue answered noticed")
        after = send(endpoint, bodies)
        _claim(not any(map(_is_bad, after)), "blue answers everything again", _first_bad(after))

    def _title(self, text: str) -> None:
        self._step += 1
        print(f"\n[{time.monotonic() - self._began:4.0f} s] {self._step}. {text}", flush=True)

    def _say(self, text: str) -> None:
        print(f"    {text}", flush=True)


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="penstock-demo-"))
    demo = Demo(folder)
    ended_well = False
    try:
        demo.tell()
        ended_well = True
    except (ClaimError, CommandError) as err:
        print(f"\nThe demo failed: {err}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr, flush=True)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not cut the clean-up short
        cleaned = _clean_up(demo, folder)
    if ended_well and cleaned:
        print(NEXT, flush=True)
    return 0 if ended_well and cleaned else 1


NEXT = """
How to go on:
    .venv/bin/penstock up --detach      a platform of your own, in ~/.penstock
    cat examples/wine/README.md         the same models, step by step
    .venv/bin/penstock --help           everything it can do
"""


def _clean_up(demo: Demo, folder: Path) -> bool:
    """Stop the platform and remove the folder; False, and the folder kept, if something still runs."""
    print("\nStopping the platform and removing its files.", flush=True)
    try:
        demo.platform.down()
        _claim(demo.endpoint is None or not _listens(demo.endpoint), "nothing listens any more")
    except (ClaimError, CommandError, OSError, subprocess.SubprocessError) as err:
        print(f"Clean-up failed: {err}; the platform's files are in {folder}", file=sys.stderr, flush=True)
        return False
    shutil.rmtree(folder)
    return True


def _bodies(rows: Sequence[Sequence[float]]) -> list[bytes]:
    return [json.dumps({"data": [row]}).encode() for row in rows]


def _write_wines(folder: Path, rows: Sequence[Sequence[float]]) -> None:
    """Files with a header, and the number of the wine before its measurements."""
    folder.mkdir()
    numbered = "".join(f"{number},{','.join(map(str, row))}\n" for number, row in enumerate(rows))
    header = ",".join(("wine", *(f"m{number}" for number in range(len(rows[0])))))
    for number in range(FILES):
        (folder / f"cellar-{number}.csv").write_text(f"{header}\n{numbered * (TIMES // FILES)}")


def _seconds_between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _accuracy(predictions: Sequence[int], labels: Sequence[int]) -> float:
    return sum(p == label for p, label in zip(predictions, labels, strict=True)) / len(labels)


def _is_bad(answer: Answer) -> bool:
    return answer.status != 200 or answer.deployment == "green"


def _wait_for_bad(answers: Sequence[Answer]) -> None:
    until = time.monotonic() + 10
    while not any(answer.status not in (0, 200) for answer in answers):
        _claim(time.monotonic() < until, "the broken release fails visibly")
        time.sleep(0.05)


def _ended(platform: Platform) -> dict[str, Any]:
    """The rollout, once it is over."""
    until = time.monotonic() + GUARD_SECONDS
    while True:
        rollout = platform("rollout", "show", "-e", "wine", told=False)
        if rollout["phase"] != "step" and rollout["finished_at"]:
            return rollout
        _claim(time.monotonic() < until, "the guards decide in time", rollout["message"])
        time.sleep(0.2)


def _first_bad(answers: Sequence[Answer]) -> str:
    bad = next((answer for answer in answers if answer.status != 200), None)
    return f"HTTP {bad.status} from {bad.deployment or 'the gateway'}: {bad.body[:300]!r}" if bad else ""


def _listens(endpoint: Endpoint) -> bool:
    url = urlsplit(endpoint.url)
    with socket.socket() as probe:
        return probe.connect_ex((url.hostname or "", url.port or 80)) == 0


def _claim(holds: bool, claim: str, otherwise: str = "") -> None:
    if not holds:
        raise ClaimError(f'it does not hold that "{claim}"' + (f" ({otherwise})" if otherwise else ""))


if __name__ == "__main__":
    sys.exit(main())
