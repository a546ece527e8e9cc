"""An online endpoint of Penstock that is asked at random times: alone, beside a batch job, and beside processes that
compute as any other does, a process for each core each time."""

import csv
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import target as forms
from cases import CASES
from load import Loaded, Open
from penstock_side import PARTS, Penstock
from policies import POLICIES, computing
from target import Target

ALONE, JOB, ANY = "alone", "beside a batch job", "beside any processes"
_CASE = CASES["A one"]
_ENDPOINT = "beside"
_SECONDS = 300.0  # until a job scores


class Beside:
    def __init__(self, penstock: Penstock, data: Path, model: Path, folder: Path) -> None:
        self._penstock = penstock
        self._folder = folder
        self._columns, self._row = _first_row(data)
        self._target = self._deploy(model)
        self._jobs = 0
        self.rows_per_second: list[float] = []

    def measured(self, rate: int, seconds: int) -> Iterator[tuple[str, Loaded]]:
        """A round of all three."""
        body = self._target.body(self._columns, self._row)
        meanwhile: dict[str, Callable[[], Any]] = {
            ALONE: nullcontext,
            JOB: self._job,
            ANY: lambda: computing(POLICIES["as any process"]),
        }
        for name, running in meanwhile.items():
            with running():
                Open(rate).run(self._target, body, 2)
                yield name, Open(rate).run(self._target, body, seconds)

    def _deploy(self, model: Path) -> Target:
        described = {
            "name": "blue",
            "endpoint_name": _ENDPOINT,
            "model": {"path": str(model), "type": "mlflow_model"},
            "environment_variables": {"OMP_NUM_THREADS": "1"},
            "instance_count": 1,
            "request_settings": {"max_concurrent_requests_per_instance": 128, "request_timeout_ms": 30_000},
        }
        for name, content in (("endpoint", {"name": _ENDPOINT, "auth_mode": "key"}), ("deployment", described)):
            (self._folder / f"online-{name}.yml").write_text(json.dumps(content))
        platform = self._penstock.platform
        platform("online-endpoint", "create", "-f", str(self._folder / "online-endpoint.yml"))
        platform("online-deployment", "create", "-f", str(self._folder / "online-deployment.yml"), "--all-traffic")
        url = urlsplit(platform("online-endpoint", "show", "--name", _ENDPOINT)["scoring_uri"])
        key = platform("online-endpoint", "get-credentials", "--name", _ENDPOINT)["primaryKey"]
        headers = {"Authorization": f"Bearer {key}"}
        return Target(place=url.port or 80, path=url.path, form=forms.azure, headers=headers)

    @contextmanager
    def _job(self) -> Iterator[None]:
        """A job that scores by now; it must do so until the end."""
        self._jobs += 1
        endpoint, deployment = self._penstock.deployed(PARTS, _CASE)
        output = self._folder / "outputs" / f"beside-{self._jobs}"
        job = self._penstock.invoke(endpoint, deployment, _CASE, output)["name"]
        self._until(job, lambda found: found["progress"]["rows_done"] > 0)
        yield
        found = self._penstock.job(job)
        if found["status"] != "Running":
            raise SystemExit(f"the job was {found['status']} before the load ended: give more rows, or fewer seconds")
        self.rows_per_second.append(found["progress"]["rows_per_second"])
        self._penstock.platform("job", "cancel", "--name", job, told=False)
        self._until(job, lambda found: found["status"] in ("Canceled", "Completed"))

    def _until(self, job: str, reached: Callable[[Any], bool]) -> None:
        until = time.monotonic() + _SECONDS
        while not reached(found := self._penstock.job(job)):
            if time.monotonic() > until or found["status"] == "Failed":
                raise SystemExit(f"job {job} is {found['status']}: {found['message']}")
            time.sleep(0.5)


def _first_row(data: Path) -> tuple[list[str], list[Any]]:
    """Of a CSV, without the id; the first letter of a column's name tells its type."""
    kinds: dict[str, Callable[[str], Any]] = {"f": float, "i": int, "s": str}
    with data.open(newline="") as file:
        names, values = next(reader := csv.reader(file)), next(reader)
    known = {name: kinds[name[0]](value) for name, value in zip(names, values, strict=True) if name != "id"}
    return list(known), list(known.values())
