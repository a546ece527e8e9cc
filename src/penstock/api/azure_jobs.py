"""Batch endpoints at the URL and in the form of Azure's: `POST /endpoints/NAME/jobs`, and the jobs below it."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel

from penstock.api.services import Actor, JsonBody, Platform
from penstock.batch.jobs import JobResource, job_of
from penstock.control.resources import Change
from penstock.domain.azure_invocation import azure_invocation
from penstock.domain.job import state_of

router = APIRouter(prefix="/endpoints/{endpoint}/jobs", tags=["azure batch endpoints"])

_TYPE = "Microsoft.MachineLearningServices/workspaces/batchEndpoints/jobs"
_AZURE_TYPES = {"uri_folder": "UriFolder", "uri_file": "UriFile", "mltable": "MLTable"}


class AzureJob(BaseModel):
    """A job in Azure's words."""

    id: str
    name: str
    type: str = _TYPE
    properties: dict[str, Any]
    systemData: dict[str, str]  # noqa: N815 - Azure's spelling


class AzureJobs(BaseModel):
    value: list[AzureJob]
    nextLink: str | None = None  # noqa: N815


@router.post("", status_code=201)
def invoke(
    endpoint: str,
    platform: Platform,
    actor: Actor,
    body: JsonBody,
    response: Response,
    deployment: Annotated[str | None, Header(alias="azureml-model-deployment")] = None,
) -> AzureJob:
    """Begin a job, of the endpoint's default deployment or of the one that the header names."""
    job, change = platform.jobs.invoke(endpoint, azure_invocation(body, deployment), actor=actor)
    if change is Change.UNCHANGED:
        response.status_code = 200
    return _shown(job)


@router.get("")
def list_jobs(endpoint: str, platform: Platform, _: Actor) -> AzureJobs:
    return AzureJobs(value=[_shown(job) for job in platform.jobs.list(endpoint=endpoint, limit=1000)])


@router.get("/{name}")
def get_job(endpoint: str, name: str, platform: Platform, _: Actor) -> AzureJob:
    return _shown(job_of(platform.resources, name, endpoint))


@router.post("/{name}/cancel")
def cancel(endpoint: str, name: str, platform: Platform, actor: Actor) -> AzureJob:
    job_of(platform.resources, name, endpoint)
    return _shown(platform.jobs.cancel(name, actor=actor)[0])


def _shown(job: JobResource) -> AzureJob:
    spec, status, settings = job.spec, job.status, job.spec.deployment.settings
    inputs = {name: {"jobInputType": _AZURE_TYPES[i.type], "uri": i.path} for name, i in spec.inputs.items()}
    outputs = {name: {"jobOutputType": "UriFolder", "uri": uri} for name, uri in status.outputs.items()}
    return AzureJob(
        id=f"/endpoints/{spec.endpoint_name}/jobs/{job.name}",
        name=job.name,
        properties={
            "name": job.name,
            "displayName": spec.display_name,
            "experimentName": spec.experiment_name,
            "description": spec.description,
            "status": state_of(spec, status).value,
            "statusMessage": status.message,
            "deploymentName": spec.deployment_name,
            "inputData": inputs,
            "outputData": outputs,
            "miniBatchSize": settings.mini_batch_size,
            "maxConcurrencyPerInstance": settings.max_concurrency_per_instance,
            "errorThreshold": settings.error_threshold,
            "loggingLevel": settings.logging_level.capitalize(),
            "outputFileName": settings.output_file_name,
            "retrySettings": {
                "maxRetries": settings.retry_settings.max_retries,
                "timeout": f"PT{settings.retry_settings.timeout}S",
            },
            "resources": {"instanceCount": settings.instance_count},
            "progress": status.progress.model_dump(mode="json"),
            "tags": spec.tags,
            "properties": spec.properties,
        },
        systemData={"createdAt": job.created_at.isoformat(), "lastModifiedAt": job.updated_at.isoformat()},
    )
