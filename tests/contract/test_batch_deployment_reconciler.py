"""When a batch deployment is ready: its environment is built, and its script or model was loaded once."""

import time
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import pytest
from support.deploying import Bench

from penstock.batch.batch_deployments import BatchDeployments
from penstock.batch.crew import Crew
from penstock.batch.deployment_reconciler import BatchDeploymentReconciler
from penstock.batch.launch import Launches
from penstock.batch.places import JobPlaces
from penstock.batch.preflight import Preflight
from penstock.batch.work_folder import WorkFolder
from penstock.domain.batch_deployment import BATCH_DEPLOYMENT, BatchDeployment
from penstock.domain.batch_endpoint import BATCH_ENDPOINT, BatchEndpoint
from penstock.domain.errors import failed
from penstock.domain.fields import parse
from penstock.domain.resource import Key, provisioning_state
from penstock.domain.samples import SKIP_PROPERTY
from penstock.preparation.defaults import Defaults
from penstock_worker.contract import READY, Report, write_report

NAME = "sizes/first"


class BatchBench:
    """Deployment `sizes/first`."""

    def __init__(self, bench: Bench) -> None:
        self.resources, self.environments = bench.resources, bench.environments
        places = JobPlaces(bench.folder / "jobs")
        defaults = Defaults(base_environment={}, memory_bytes=2**30, max_body_bytes=2**20, log_bytes=2**20)
        self.engine, self.clock, self.places = bench.engine, bench.clock, places
        crew = Crew(bench.engine, places, defaults, lambda _: {})
        launches = Launches(bench.preparation, bench.environments, bench.builds, places)
        preflight = Preflight(crew, places, bench.clock)
        self.reconciler = BatchDeploymentReconciler(bench.resources, launches, preflight, bench.clock)
        self.deployments = BatchDeployments(bench.resources, bench.preparation)
        self.code = bench.upload("one")
        self.resources.apply(BATCH_ENDPOINT, "sizes", BatchEndpoint(name="sizes"), actor="test")

    def apply(self, *, loaded: bool = False) -> None:
        """`loaded`: not before it was loaded is it ready."""
        spec = {
            "code_configuration": {"code": self.code, "scoring_script": "score.py"},
            "environment": {"conda_file": {"dependencies": [{"pip": ["pack==1"]}]}},
            "properties": {} if loaded else {SKIP_PROPERTY: "true"},
        }
        self.deployments.apply("sizes", "first", parse(BatchDeployment, spec, "test"), actor="test")

    def step(self) -> bool:
        """True if it is settled."""
        return self.reconciler.reconcile(Key(BATCH_DEPLOYMENT.name, NAME)) is None

    def loading(self) -> str:
        """The process that loads it, once it runs."""
        deadline = time.monotonic() + 100
        while not self.engine.inspect():
            assert not self.step()
            assert time.monotonic() < deadline
        return self.engine.inspect()[0].name

    def say_loaded(self, process: str) -> None:
        report = WorkFolder(self.places.work(process.split(".", 1)[1].rpartition(".")[0])).report_path("w0")
        write_report(report, Report(READY, 1))

    def settled(self) -> str:
        deadline = time.monotonic() + 100
        while not self.step():
            assert time.monotonic() < deadline
        return provisioning_state(self.resources.get(BATCH_DEPLOYMENT, NAME))


@pytest.fixture
def bench(tmp_path: Path) -> Generator[BatchBench]:
    bench = Bench(tmp_path)
    yield BatchBench(bench)
    bench.close()


def test_an_environment_that_has_failed_is_built_anew_when_it_is_applied_again(bench: BatchBench) -> None:
    bench.environments.failures["pack==1"] = failed("no such package")
    bench.apply()
    assert bench.settled() == "Failed"
    bench.environments.failures.clear()
    assert bench.settled() == "Failed"  # it is not tried again and again
    bench.apply()
    assert bench.settled() == "Succeeded"


@pytest.mark.parametrize("dawdles", [pytest.param(False, id="which ends"), pytest.param(True, id="or does not end")])
def test_a_worker_that_has_loaded_may_find_out_for_a_while_how_others_start_faster(
    bench: BatchBench, dawdles: bool
) -> None:
    bench.apply(loaded=True)
    process = bench.loading()
    bench.say_loaded(process)
    assert not bench.step()
    assert bench.engine.inspect()
    if dawdles:
        bench.clock.advance(timedelta(seconds=31))
    else:
        bench.engine.die(process, exit_code=-11)  # whatever becomes of it: the deployment was loaded
    assert bench.settled() == "Succeeded"
    assert not any(process.running for process in bench.engine.inspect())
