"""A batch deployment whose environment cannot be built is built anew when it is applied again."""

import time
from collections.abc import Generator
from pathlib import Path

import pytest
from support.deploying import Bench

from penstock.batch.batch_deployments import BatchDeployments
from penstock.batch.crew import Crew
from penstock.batch.deployment_reconciler import BatchDeploymentReconciler
from penstock.batch.launch import Launches
from penstock.batch.places import JobPlaces
from penstock.batch.preflight import Preflight
from penstock.domain.batch_deployment import BATCH_DEPLOYMENT, BatchDeployment
from penstock.domain.batch_endpoint import BATCH_ENDPOINT, BatchEndpoint
from penstock.domain.errors import failed
from penstock.domain.fields import parse
from penstock.domain.resource import Key, provisioning_state
from penstock.domain.samples import SKIP_PROPERTY
from penstock.preparation.defaults import Defaults

NAME = "sizes/first"


class BatchBench:
    """Deployment `sizes/first`, whose script is not loaded before it is ready."""

    def __init__(self, bench: Bench) -> None:
        self.resources, self.environments = bench.resources, bench.environments
        places = JobPlaces(bench.folder / "jobs")
        defaults = Defaults(base_environment={}, memory_bytes=2**30, max_body_bytes=2**20, log_bytes=2**20)
        crew = Crew(bench.engine, places, defaults, lambda _: {})
        launches = Launches(bench.preparation, bench.environments, bench.builds, places)
        preflight = Preflight(crew, places, bench.clock)
        self.reconciler = BatchDeploymentReconciler(bench.resources, launches, preflight, bench.clock)
        self.deployments = BatchDeployments(bench.resources, bench.preparation)
        self.code = bench.upload("one")
        self.resources.apply(BATCH_ENDPOINT, "sizes", BatchEndpoint(name="sizes"), actor="test")

    def apply(self) -> None:
        spec = {
            "code_configuration": {"code": self.code, "scoring_script": "score.py"},
            "environment": {"conda_file": {"dependencies": [{"pip": ["pack==1"]}]}},
            "properties": {SKIP_PROPERTY: "true"},
        }
        self.deployments.apply("sizes", "first", parse(BatchDeployment, spec, "test"), actor="test")

    def settled(self) -> str:
        deadline = time.monotonic() + 10
        while self.reconciler.reconcile(Key(BATCH_DEPLOYMENT.name, NAME)) is not None:
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
