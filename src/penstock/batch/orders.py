"""From a job's spec to what its workers are told. Pure."""

from pathlib import Path

from penstock.batch.job_output import AZURE, DEFAULT_NAME, file_name
from penstock.batch.places import JobPlaces
from penstock.domain.job import SCORE, Job
from penstock_worker.batch_contract import Order


def order_of(name: str, spec: Job, places: JobPlaces, output_folder: Path) -> Order:
    """`output_folder` is where the final files go, on this machine."""
    deployment = spec.deployment
    settings, output = deployment.settings, deployment.output
    keep = () if output is None else ("*",) if output.keep_columns == "all" else output.keep_columns
    return Order(
        job=name,
        output_action=settings.output_action,
        output_format=AZURE if output is None else output.format,
        output_mode="one_file" if output is None else output.mode,
        output_file_name=file_name(deployment),
        output_folder=str(output_folder),
        keep_columns=tuple(keep),
        mini_batch_files=settings.mini_batch_size,
        logging_level=settings.logging_level,
        logs_folder=str(places.logs(name)),
        output_path=str(places.outputs(name) / SCORE if spec.output_path is None else output_folder),
    )


def order_of_preflight(name: str, places: JobPlaces, job: str) -> Order:
    """Of a worker that is only to load deployment `name`; `job` stands for the job that there is none of."""
    return Order(
        job=name,
        output_action="append_row",
        output_format=AZURE,
        output_mode="one_file",
        output_file_name=DEFAULT_NAME,
        output_folder=str(places.outputs(job)),
        logs_folder=str(places.logs(job)),
        output_path=str(places.outputs(job)),
        preflight=True,
    )
