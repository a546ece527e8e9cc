"""Invoking batch endpoints, and what users do with the jobs."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock.batch.batch_deployments import BatchDeployments
from penstock.batch.batch_endpoints import BatchEndpoints
from penstock.batch.computes import Computes
from penstock.batch.jobs import Jobs
from penstock.control.resources import Change, Resources
from penstock.domain.batch_deployment import BATCH_DEPLOYMENT, BatchDeployment
from penstock.domain.batch_endpoint import BATCH_ENDPOINT, BatchEndpoint
from penstock.domain.compute import Compute
from penstock.domain.data import Data
from penstock.domain.errors import Code, PenstockError
from penstock.domain.invocation import Invocation
from penstock.domain.job import JOB, Job, JobState, JobStatus, state_of
from penstock.domain.resource import Resource
from penstock.preparation.data import data_versions, find_data
from penstock.preparation.preparation import Preparation
from penstock.storage.anywhere import Anywhere
from penstock.storage.connections import FILE, Connection
from penstock.store.sql import open_store
from penstock.testing.clock import ManualClock

ME = "me@host"


class World:
    """A batch endpoint `score` with the deployments `first` (the default) and `second`, and a folder of data."""

    def __init__(self, resources: Resources, clock: ManualClock, data: Path) -> None:
        self.resources, self.clock, self.data = resources, clock, data
        self.jobs = Jobs(
            resources, Anywhere(_nowhere, lambda asset: find_data(resources, asset.name, asset.version).spec)
        )
        self.endpoints = BatchEndpoints(resources)
        # What is tested here asks nothing of the models that deployments are made of.
        self.deployments = BatchDeployments(resources, Preparation.__new__(Preparation))
        self.computes = Computes(resources)
        self.endpoints.apply("score", BatchEndpoint(), actor=ME)
        for name in ("first", "second"):
            self.deploy(name)
        self.deployments.set_default("score", "first", actor=ME)

    def deploy(self, name: str, **fields: Any) -> None:
        spec = BatchDeployment.model_validate(
            {"name": name, "endpoint_name": "score", "model": "azureml:m:1", **fields}
        )
        self.resources.apply(BATCH_DEPLOYMENT, f"score/{name}", spec, actor=ME)

    def invoke(self, **fields: Any) -> Resource[Job, JobStatus]:
        self.clock.advance(timedelta(seconds=1))
        invocation = Invocation.model_validate({"inputs": str(self.data), **fields})
        return self.jobs.invoke("score", invocation, actor=ME)[0]

    def put(self, name: str, state: JobState) -> None:
        """What the reconciler finds."""
        job = self.resources.get(JOB, name)
        status = job.status.model_copy(update={"state": state, "attempt": job.spec.attempt})
        assert self.resources.set_status(JOB, job, status) is not None

    def state(self, name: str) -> JobState:
        job = self.resources.get(JOB, name)
        return state_of(job.spec, job.status)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock = ManualClock()
    with closing(open_store(f"sqlite:///{tmp_path / 'penstock.db'}")) as store:
        data = tmp_path / "data"
        data.mkdir()
        (data / "one.csv").write_text("a\n1\n")
        yield World(Resources(store, clock, lambda _: None), clock, data)


def refused(code: Code, text: str, call: Any, *args: Any, **kwargs: Any) -> None:
    with pytest.raises(PenstockError) as error:
        call(*args, **kwargs)
    assert error.value.code is code
    assert text in error.value.message


def test_a_job_is_a_snapshot_of_the_default_deployment(world: World) -> None:
    job = world.invoke()
    world.deploy("first", settings={"mini_batch_size": 3})
    assert job.name.startswith("batchjob-")
    assert job.spec.deployment_name == "first"
    assert world.resources.get(JOB, job.name).spec.deployment.settings.mini_batch_size == 10
    assert job.spec.inputs["UriFolder"].type == "uri_folder"


def test_a_caller_may_name_another_deployment_and_override_settings(world: World) -> None:
    job = world.invoke(
        deployment_name="second",
        mini_batch_size=4,
        instance_count=2,
        output_file_name="scores.csv",
        overrides={"settings.error_threshold": 5, "output.format": "csv", "retry_settings.max_retries": 0},
    )
    settings = job.spec.deployment.settings
    assert (settings.mini_batch_size, settings.instance_count, settings.output_file_name) == (4, 2, "scores.csv")
    assert (settings.error_threshold, settings.retry_settings.max_retries) == (5, 0)
    assert job.spec.deployment.output is not None
    assert job.spec.deployment.output.format == "csv"


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({"model": "azureml:other:1"}, "cannot change 'model'"),
        ({"output_file_nam": "x"}, "did you mean 'output_file_name'?"),
        ({"settings.mini_batch_sise": 3}, "did you mean 'mini_batch_size'?"),
        ({"mini_batch_size": 0}, "greater than or equal to 1"),
        ({"logging_level.deep": 1}, "leads through 'logging_level'"),
    ],
)
def test_overrides_that_make_no_sense_are_refused(world: World, overrides: dict[str, Any], text: str) -> None:
    refused(Code.INVALID, text, world.invoke, overrides=overrides)


def test_a_repeated_invocation_is_the_job_that_it_began(world: World) -> None:
    job = world.invoke(job_name="nightly")
    world.deploy("first", settings={"mini_batch_size": 3})
    world.jobs.cancel("nightly", actor=ME)
    assert world.invoke(job_name="nightly").uid == job.uid
    refused(Code.CONFLICT, "exists already", world.invoke, job_name="nightly", mini_batch_size=2)


@pytest.mark.parametrize("name", ["", "a/b", "..", "-x", "a.b", "x" * 129, "nächtlich"])
def test_a_job_has_a_name_that_can_be_a_folders(world: World, name: str) -> None:
    refused(Code.INVALID, "job name", world.jobs.invoke, "score", _named(name, world.data), actor=ME)


def test_without_a_default_deployment_one_must_be_named(world: World) -> None:
    world.endpoints.apply("score", BatchEndpoint(), actor=ME)
    refused(Code.CONFLICT, "defaults.deployment_name=first", world.invoke)
    assert world.invoke(deployment_name="first").spec.deployment_name == "first"


def test_inputs_of_this_machine_are_looked_at_before_the_job_begins(world: World) -> None:
    refused(Code.INVALID, "not an absolute path", world.invoke, inputs="data")
    refused(Code.INVALID, "does not exist on the platform's machine", world.invoke, inputs="/nowhere/at/all")
    refused(Code.INVALID, "is a folder", world.invoke, inputs={"x": {"path": str(world.data), "type": "uri_file"}})
    file = world.invoke(inputs=str(world.data / "one.csv"))
    assert file.spec.inputs["UriFolder"].type == "uri_file"
    for elsewhere in ("s3://bucket/folder", "https://host/data.csv", f"{world.data}/*.csv"):
        assert world.invoke(inputs=elsewhere).spec.inputs["UriFolder"].path == elsewhere
    refused(Code.INVALID, "nothing here reads ftp://", world.invoke, inputs="ftp://host/data")
    refused(Code.INVALID, "output_path: ", world.invoke, output_path="scores")


def test_a_data_asset_is_meant_as_it_is_now(world: World) -> None:
    refused(Code.NOT_FOUND, "data 'taxi' is not registered", world.invoke, inputs="azureml:taxi@latest")
    for name in ("one.csv", "two.csv"):
        world.clock.advance(timedelta(seconds=1))
        (world.data / name).write_text("a\n1\n")
        data = Data(name="taxi", type="uri_file", path=str(world.data / name))
        data_versions(world.resources).register(data, actor=ME)
    found = world.invoke(inputs="azureml:taxi@latest").spec.inputs["UriFolder"]
    assert (found.path, found.type) == ("azureml:taxi:2", "uri_file")
    refused(Code.INVALID, "never changes", world.invoke, output_path="azureml:taxi:1")


def test_since_last_is_the_newest_completed_job_of_the_deployment(world: World) -> None:
    assert world.invoke(since="last").spec.since is None
    for name, state in (("old", JobState.COMPLETED), ("new", JobState.COMPLETED), ("bad", JobState.FAILED)):
        world.invoke(job_name=name)
        world.put(name, state)
    world.invoke(job_name="trial", dry_run=True)
    world.put("trial", JobState.COMPLETED)
    world.invoke(job_name="other", deployment_name="second")
    world.put("other", JobState.COMPLETED)
    assert world.invoke(since="last").spec.since == "new"
    assert world.invoke(since="old").spec.since == "old"
    world.invoke(job_name="running")
    refused(Code.CONFLICT, "not over yet", world.invoke, since="running")
    refused(Code.NOT_FOUND, "'nothing' does not exist", world.invoke, since="nothing")


def test_cancel_and_resume_are_edits_that_may_be_repeated(world: World) -> None:
    world.invoke(job_name="nightly")
    world.put("nightly", JobState.RUNNING)
    assert world.jobs.cancel("nightly", actor=ME)[1] is Change.UPDATED
    assert world.jobs.cancel("nightly", actor=ME)[1] is Change.UNCHANGED
    assert world.state("nightly") is JobState.CANCEL_REQUESTED
    refused(Code.CONFLICT, "is being canceled", world.jobs.resume, "nightly", actor=ME)
    world.put("nightly", JobState.CANCELED)
    assert world.jobs.cancel("nightly", actor=ME)[1] is Change.UNCHANGED
    job, change = world.jobs.resume("nightly", actor=ME)
    assert (change, job.spec.attempt, job.spec.canceled) == (Change.UPDATED, 2, False)
    assert world.jobs.resume("nightly", actor=ME)[1] is Change.UNCHANGED
    assert world.state("nightly") is JobState.NOT_STARTED
    world.put("nightly", JobState.COMPLETED)
    refused(Code.CONFLICT, "is Completed", world.jobs.resume, "nightly", actor=ME)


def test_lists_are_the_newest_first_and_leave_archived_jobs_out(world: World) -> None:
    for name in ("one", "two", "three"):
        world.invoke(job_name=name, deployment_name="second" if name == "two" else "first")
    world.jobs.archive("one", archived=True, actor=ME)
    assert [job.name for job in world.jobs.list()] == ["three", "two"]
    assert [job.name for job in world.jobs.list(archived=None)] == ["three", "two", "one"]
    assert [job.name for job in world.jobs.list(archived=True)] == ["one"]
    assert [job.name for job in world.jobs.list(endpoint="score", deployment="first", limit=5)] == ["three"]
    world.jobs.archive("one", archived=False, actor=ME)
    assert len(world.jobs.list(limit=2)) == 2


def test_what_is_said_of_a_job_can_be_changed_and_what_it_does_cannot(world: World) -> None:
    job = world.invoke(job_name="nightly")
    told = job.spec.model_copy(update={"tags": {"team": "risk"}, "display_name": "Nightly"})
    assert world.jobs.describe("nightly", told, actor=ME)[0].spec.tags == {"team": "risk"}
    refused(
        Code.CONFLICT,
        "inputs cannot be changed",
        world.jobs.describe,
        "nightly",
        told.model_copy(update={"inputs": {}}),
        actor=ME,
    )


def test_deployments_and_endpoints_with_unfinished_jobs_are_not_deleted(world: World) -> None:
    world.invoke(job_name="nightly", deployment_name="second")
    refused(Code.CONFLICT, "nightly", world.deployments.delete, "score", "second", actor=ME)
    refused(Code.CONFLICT, "nightly", world.endpoints.delete, "score", actor=ME)
    world.put("nightly", JobState.COMPLETED)
    assert world.deployments.delete("score", "second", actor=ME) is not None
    assert world.endpoints.delete("score", actor=ME) is not None
    assert world.endpoints.delete("nothing", actor=ME) is None


def test_the_default_deployment_goes_last_and_takes_the_default_with_it(world: World) -> None:
    refused(Code.CONFLICT, "defaults.deployment_name=second", world.deployments.delete, "score", "first", actor=ME)
    gone = world.resources.get(BATCH_DEPLOYMENT, "score/second")
    world.resources.remove(BATCH_DEPLOYMENT, gone)
    deleting = world.deployments.delete("score", "first", actor=ME)
    assert deleting is not None
    assert deleting.deleting_since is not None
    assert world.resources.get(BATCH_ENDPOINT, "score").spec.defaults.deployment_name is None


def test_a_default_that_does_not_exist_is_refused(world: World) -> None:
    spec = BatchEndpoint.model_validate({"defaults": {"deployment_name": "third"}})
    refused(Code.INVALID, "there are: first, second", world.endpoints.apply, "score", spec, actor=ME)


def test_a_compute_stays_while_deployments_or_jobs_use_it(world: World) -> None:
    world.computes.apply("cluster", Compute(max_instances=2), actor=ME)
    world.deploy("second", compute="azureml:cluster")
    refused(Code.CONFLICT, "score/second", world.computes.delete, "cluster", actor=ME)
    world.invoke(job_name="nightly", deployment_name="second")
    world.deploy("second")
    refused(Code.CONFLICT, "nightly", world.computes.delete, "cluster", actor=ME)
    world.put("nightly", JobState.FAILED)
    assert world.computes.delete("cluster", actor=ME) is not None
    refused(Code.CONFLICT, "is being deleted", world.jobs.resume, "nightly", actor=ME)


def _nowhere(name: str) -> Connection:
    return Connection(protocol=FILE, root="/nowhere")


def _named(name: str, data: Path) -> Invocation:
    return Invocation.model_validate({"job_name": name, "inputs": str(data)})
