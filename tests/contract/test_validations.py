"""Validations on a workbench: what waits, what runs, what an earlier control plane has left."""

import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from support.deploying import Bench

from penstock.domain.deployment import OnlineDeployment
from penstock.domain.errand import ErrandState
from penstock.domain.errors import PenstockError
from penstock.domain.fields import parse
from penstock.domain.instance import InstanceName
from penstock.domain.validation import Validation, ValidationRequest
from penstock.engines.base import ProcessSpec
from penstock.online.errands import Errands
from penstock.online.rehearsal import Rehearsal
from penstock_worker import contract


class Stage:
    """A bench with validations on it, and a hand for what their processes do."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(folder)
        self.rehearsal = Rehearsal(
            preparation=self.bench.preparation,
            assembly=self.bench.assembly,
            artifacts=self.bench.artifacts,
            engine=self.bench.engine,
            places=self.bench.fleet.places,
            folder=folder / "validations",
            memory_bytes=2**30,
            stopping=threading.Event(),
        )
        self.validations = Errands(Validation, self.rehearsal, self.bench.clock)

    def request(self, name: str = "0123abcd", **more: Any) -> ValidationRequest:
        code = {"code": self.bench.upload("a script"), "scoring_script": "score.py"}
        spec = parse(OnlineDeployment, {"code_configuration": code}, "test")
        return ValidationRequest(id=name, deployment=spec, **more)

    def ended(self, request: ValidationRequest, **report: Any) -> Validation:
        """How it ends if its process reports this, or dies without a word."""
        self.validations.begin(request)
        process = self._once(lambda: next((p for p in self.bench.engine.inspect() if p.running), None))
        if report:
            revision = self.bench.engine.started[-1].folder.relative_to(self.bench.folder / "apps").parts[2]
            path = self.bench.fleet.places.report(InstanceName("validation", request.id, revision, 0))
            contract.write_report(path, contract.Report(pid=process.pid, **report))
        if report.get("phase") != contract.READY:
            self.bench.engine.die(process.name, 3)
        return self._once(lambda: v if (v := self.validations.get(request.id)).ended else None)

    def _once(self, fact: Any) -> Any:
        for _ in range(2000):
            found = fact()
            if found is not None:
                return found
            self.rehearsal.stopping.wait(0.005)
        raise AssertionError("not so after 10 s")


@pytest.fixture
def stage(tmp_path: Path) -> Generator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.validations.stop()
    stage.bench.close()


def test_a_validation_ends_with_its_process_and_leaves_no_file(stage: Stage) -> None:
    stage.validations.start()
    request = stage.request(sample_request='{"x": 1}')
    good = {"load_seconds": 1.0, "sample": "sample request sample-request.json", "sample_seconds": 0.1}
    ended = stage.ended(request, phase=contract.READY, **good)
    assert ended.state is ErrandState.SUCCEEDED
    assert [c.name for c in ended.conditions] == ["Model", "Environment", "Load", "Prediction", "Output"]
    assert ended.faults() == ()
    assert [p for p in stage.bench.engine.inspect()] == []
    assert not list((stage.bench.folder / "apps").glob("*/*"))
    assert not list((stage.bench.folder / "run").iterdir())
    assert stage.bench.engine.started[0].environment[contract.SAMPLE] == contract.REQUIRED
    assert stage.bench.engine.started[0].environment[contract.SAMPLE_REQUEST].endswith("/sample-request.json")
    assert stage.validations.begin(request) == ended  # asked again: nothing begins


def test_a_failure_is_told_with_the_users_traceback_and_the_next_one_runs(stage: Stage) -> None:
    stage.validations.start()
    failed = stage.ended(
        stage.request(), phase=contract.FAILED, reason="UserScriptInitFailed", message="init() raised", traceback="T"
    )
    assert (failed.state, failed.failure) == (ErrandState.FAILED, "T")
    assert [(c.name, c.reason) for c in failed.faults()] == [("Load", "UserScriptInitFailed")]
    assert stage.ended(stage.request("fedc4321")).faults()[0].reason == "InstanceDied"


def test_only_some_may_wait(stage: Stage) -> None:
    for number in range(8):
        begun = stage.validations.begin(stage.request(f"{number:08x}"))
        assert begun.state is ErrandState.QUEUED
    with pytest.raises(PenstockError, match="8 validations wait already"):
        stage.validations.begin(stage.request("ffffffff"))
    with pytest.raises(PenstockError, match="validation 'ffffffff' is not known"):
        stage.validations.get("ffffffff")


def test_what_an_earlier_control_plane_was_killed_in_is_ended(stage: Stage) -> None:
    left = stage.rehearsal.folder / "apps"
    left.mkdir(parents=True)
    spec = ProcessSpec(name="validation.0123abcd", argv=(), environment={}, folder=left, log=left / "log")
    other = ProcessSpec(name="fraud.blue.00000000.0", argv=(), environment={}, folder=left, log=left / "log")
    stage.bench.engine.start(spec)
    stage.bench.engine.start(other)
    stage.rehearsal.end_leftovers()
    assert [p.name for p in stage.bench.engine.inspect()] == [other.name]
    assert not stage.rehearsal.folder.exists()
