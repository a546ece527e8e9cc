"""What users do with jobs. Each command is one edit of the spec, which the reconciler carries out."""

import re
import uuid
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from penstock.batch.batch_deployments import check_compute
from penstock.batch.job_inputs import check_output, checked_inputs
from penstock.batch.job_output import check_free
from penstock.batch.output_claims import check_apart, check_unclaimed
from penstock.control.resources import Change, Resources
from penstock.domain.batch_deployment import BATCH_DEPLOYMENT, BatchDeployment, BatchDeploymentStatus
from penstock.domain.batch_endpoint import BATCH_ENDPOINT
from penstock.domain.errors import Code, PenstockError, conflict, invalid, not_found
from penstock.domain.invocation import LAST, Invocation, overridden
from penstock.domain.job import JOB, Job, JobState, JobStatus, ended, state_of
from penstock.domain.resource import Resource, provisioning_state
from penstock.storage.base import Storage

JobResource = Resource[Job, JobStatus]

REQUEST = "penstock.request"  # property of a job: the digest of the invocation that began it
_NAME = re.compile(r"[a-zA-Z0-9][-_a-zA-Z0-9]{0,127}\Z")  # it becomes the name of a folder, and part of a process's
_DESCRIPTIVE = ("display_name", "experiment_name", "description", "tags")


class Jobs:
    def __init__(self, resources: Resources, storage: Storage) -> None:
        self._resources = resources
        self._storage = storage

    def invoke(self, endpoint: str, invocation: Invocation, *, actor: str) -> tuple[JobResource, Change]:
        """Begin a job: a snapshot of the deployment, with the caller's overrides, and the data to score.

        The same invocation under the same name again is the job that it began. Raises `invalid`, `not_found` or
        `conflict` for what can be seen before it runs, and `conflict` for a name that another job has.
        """
        given = invocation.job_name
        name = check_job_name(f"batchjob-{uuid.uuid4()}" if given is None else given)
        digest = invocation.digest(endpoint)
        present = self._begun(name, digest)
        if present is not None:
            return present, Change.UNCHANGED
        spec = self._spec(name, endpoint, invocation, digest)
        event = ("JobInvoked", f"job {name!r} of {endpoint}/{spec.deployment_name} was invoked")
        try:
            return self._resources.apply(JOB, name, spec, actor=actor, generation=0, event=event)
        except PenstockError as err:
            # Two calls of one client, at once.
            present = self._begun(name, digest) if err.code is Code.CONFLICT else None
            if present is None:
                raise
            return present, Change.UNCHANGED

    def list(
        self,
        *,
        endpoint: str | None = None,
        deployment: str | None = None,
        archived: bool | None = False,
        limit: int | None = None,
    ) -> Sequence[JobResource]:
        """Jobs, the newest first. `archived`: None for all of them. Raises `not_found` for an unknown endpoint."""
        if endpoint is not None:
            self._resources.get(BATCH_ENDPOINT, endpoint)
        if deployment is not None:
            self._resources.get(BATCH_DEPLOYMENT, f"{endpoint}/{deployment}")
        found = (
            job
            for job in self._resources.newest(JOB)
            if endpoint in (None, job.spec.endpoint_name)
            and deployment in (None, job.spec.deployment_name)
            and archived in (None, job.spec.archived)
        )
        return list(islice(found, limit))

    def cancel(self, name: str, *, actor: str) -> tuple[JobResource, Change]:
        """Ask a job to end; one that is over stays as it is."""
        job = self._resources.get(JOB, name)
        if ended(job.spec, job.status) or job.spec.canceled:
            return job, Change.UNCHANGED
        return self._edit(job, {"canceled": True}, ("CancelRequested", f"{actor} canceled it"), actor)

    def resume(self, name: str, *, actor: str) -> tuple[JobResource, Change]:
        """Go on with a job that has failed or was canceled; what it has scored stays. One that runs is left alone.

        Raises `conflict` for a job that is completed, or not canceled yet.
        """
        job = self._resources.get(JOB, name)
        state = state_of(job.spec, job.status)
        if state is JobState.CANCEL_REQUESTED:
            raise conflict(f"job {name!r} is being canceled: wait until it is Canceled, then resume it")
        if state is JobState.COMPLETED:
            raise conflict(f"job {name!r} is Completed: there is nothing to resume; invoke the endpoint for a new one")
        if not state.ended:
            return job, Change.UNCHANGED
        check_compute(self._resources, f"job {name!r}", job.spec.deployment.compute)
        self._check_unclaimed(name, job.spec)
        attempt = job.spec.attempt + 1
        event = ("JobResumed", f"{actor} resumed it, attempt {attempt}")
        return self._edit(job, {"canceled": False, "attempt": attempt}, event, actor)

    def archive(self, name: str, *, archived: bool, actor: str) -> tuple[JobResource, Change]:
        """Leave a job out of lists, or have it in them again."""
        job = self._resources.get(JOB, name)
        event = ("Archived", "archived") if archived else ("Restored", "restored")
        return self._edit(job, {"archived": archived}, event, actor)

    def describe(
        self, name: str, spec: Job, *, actor: str, generation: int | None = None
    ) -> tuple[JobResource, Change]:
        """Change what is said of a job. Raises `conflict` if `spec` differs in what it does, or in `generation`."""
        job = self._resources.get(JOB, name)
        told = {field: getattr(spec, field) for field in _DESCRIPTIVE}
        changed = job.spec.model_copy(update=told)
        if changed != spec:
            others = [field for field in Job.model_fields if getattr(spec, field) != getattr(changed, field)]
            raise conflict(
                f"job {name!r}: {', '.join(others)} cannot be changed; what can be: {', '.join(_DESCRIPTIVE)}"
            )
        return self._resources.apply(JOB, name, changed, actor=actor, generation=generation)

    def _begun(self, name: str, digest: str) -> JobResource | None:
        """The job of that name, if the same invocation began it; None if there is none."""
        present = self._resources.find(JOB, name)
        if present is not None and present.spec.properties.get(REQUEST) != digest:
            raise conflict(
                f"job {name!r} exists already, of {present.spec.endpoint_name}/{present.spec.deployment_name}, with "
                "other content: leave the name out, or choose another one"
            )
        return present

    def _spec(self, name: str, endpoint: str, invocation: Invocation, digest: str) -> Job:
        deployment = self._deployment(endpoint, invocation.deployment_name)
        own_name = deployment.name.partition("/")[2]
        snapshot = overridden(deployment.spec, invocation)
        check_compute(self._resources, f"job {name!r}", snapshot.compute)
        check_output(self._storage, invocation.output_path)
        if invocation.output_path is not None:
            check_free(self._storage, invocation.output_path, snapshot, elsewhere=False)
        spec = Job(
            name=name,
            display_name=invocation.display_name,
            experiment_name=invocation.experiment_name,
            description=invocation.description,
            tags=invocation.tags,
            properties={**invocation.properties, REQUEST: digest},
            endpoint_name=endpoint,
            deployment_name=own_name,
            deployment=snapshot,
            inputs=checked_inputs(self._resources, self._storage, invocation.inputs),
            output_path=invocation.output_path,
            dry_run=invocation.dry_run,
            since=self._since(invocation.since, endpoint, own_name),
        )
        if spec.output_path is not None:
            for input_name, given in spec.inputs.items():
                check_apart(self._storage, input_name, given, spec.output_path, snapshot)
        self._check_unclaimed(name, spec)
        return spec

    def _check_unclaimed(self, name: str, spec: Job) -> None:
        """What can be told at once; of two invocations at the same time, the controller refuses one."""
        if spec.output_path is not None:
            others = (job for job in self._resources.list(JOB) if not ended(job.spec, job.status))
            check_unclaimed(self._storage, name, spec, others)

    def _deployment(self, endpoint: str, name: str | None) -> Resource[BatchDeployment, BatchDeploymentStatus]:
        """The deployment that runs the job: the named one, else the endpoint's default."""
        parent = self._resources.get(BATCH_ENDPOINT, endpoint)
        if parent.deleting_since is not None:
            raise conflict(f"batch endpoint {endpoint!r} is being deleted")
        wanted = name or parent.spec.defaults.deployment_name
        if wanted is None:
            present = [d.name.partition("/")[2] for d in self._resources.list(BATCH_DEPLOYMENT, f"{endpoint}/")]
            remedy = (
                f"name one of {', '.join(present)} with --deployment-name, or make it the default: `penstock "
                f"batch-endpoint update --name {endpoint} --set defaults.deployment_name={present[0]}`"
                if present
                else f"create one: `penstock batch-deployment create -e {endpoint} -f FILE --set-default`"
            )
            raise conflict(f"batch endpoint {endpoint!r} has no default deployment: {remedy}")
        deployment = self._resources.get(BATCH_DEPLOYMENT, f"{endpoint}/{wanted}")
        if deployment.deleting_since is not None:
            raise conflict(f"deployment {wanted!r} of batch endpoint {endpoint!r} is being deleted")
        if provisioning_state(deployment) == "Failed":
            ready = deployment.status.condition("Ready")
            raise conflict(
                f"deployment {wanted!r} of batch endpoint {endpoint!r} has failed: {ready.message if ready else ''}",
                {"failure": deployment.status.failure or ""},
            )
        return deployment

    def _since(self, text: str | None, endpoint: str, deployment: str) -> str | None:
        """The earlier job that is meant; None if there is no last one yet, so that all is new."""
        if text is None:
            return None
        if text != LAST:
            earlier = self._resources.get(JOB, text)
            if earlier.spec.endpoint_name != endpoint:
                raise invalid(f"since: job {text!r} is of batch endpoint {earlier.spec.endpoint_name!r}")
            if not ended(earlier.spec, earlier.status):
                raise conflict(f"since: job {text!r} is not over yet: wait for it")
            if earlier.spec.dry_run:
                raise invalid(f"since: job {text!r} was a dry run, which has scored no file as a whole")
            return text
        completed = (
            job
            for job in self._resources.newest(JOB)
            if (job.spec.endpoint_name, job.spec.deployment_name) == (endpoint, deployment)
            and not job.spec.dry_run
            and state_of(job.spec, job.status) is JobState.COMPLETED
        )
        newest = next(completed, None)
        return newest.name if newest else None

    def _edit(
        self, job: JobResource, change: Mapping[str, Any], event: tuple[str, str], actor: str
    ) -> tuple[JobResource, Change]:
        spec = job.spec.model_copy(update=change)
        return self._resources.apply(JOB, job.name, spec, actor=actor, generation=job.generation, event=event)


def job_of(resources: Resources, name: str, endpoint: str) -> JobResource:
    """A job of that endpoint. Raises `not_found`, also for another endpoint's."""
    job = resources.get(JOB, name)
    if job.spec.endpoint_name != endpoint:
        raise not_found(f"job {name!r} is not of batch endpoint {endpoint!r}, but of {job.spec.endpoint_name!r}")
    return job


def check_job_name(name: str) -> str:
    if not _NAME.match(name):
        raise invalid(
            f"job name {name!r} is not valid: use up to 128 ASCII letters, digits, '-' and '_', and begin with a "
            "letter or digit"
        )
    return name
