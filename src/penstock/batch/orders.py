"""From a job's spec to what its workers are told. Pure."""

from collections.abc import Sequence
from pathlib import Path

from penstock.batch.places import JobPlaces
from penstock.domain.batch_deployment import OutputAction
from penstock.domain.job import SCORE, Job
from penstock_worker.batch_contract import Order

AZURE = "azure"  # the form of predictions without `output`
_DEFAULT_NAME = "predictions.csv"  # Azure's; its ending follows the format


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
        output_file_name=settings.output_file_name,
        output_folder=str(output_folder),
        keep_columns=tuple(keep),
        mini_batch_files=settings.mini_batch_size,
        logging_level=settings.logging_level,
        logs_folder=str(places.logs(name)),
        output_path=str(places.outputs(name) / SCORE if spec.output_path is None else output_folder),
    )


def first_files(order: Order) -> Sequence[Path]:
    """Final files whose names can be told beforehand; see output_names.py of the worker."""
    folder, suffix = Path(order.output_folder), f".{order.output_format}"
    if order.output_action == OutputAction.SUMMARY_ONLY or order.output_mode == "per_input":
        return []
    if order.output_mode == "partitioned":
        return [folder / f"part-00000{suffix}"]
    if order.output_file_name == _DEFAULT_NAME and order.output_format != AZURE:
        return [(folder / _DEFAULT_NAME).with_suffix(suffix)]
    return [folder / order.output_file_name]


def order_of_preflight(name: str, places: JobPlaces, job: str) -> Order:
    """Of a worker that is only to load deployment `name`; `job` stands for the job that there is none of."""
    return Order(
        job=name,
        output_action="append_row",
        output_format=AZURE,
        output_mode="one_file",
        output_file_name=_DEFAULT_NAME,
        output_folder=str(places.outputs(job)),
        logs_folder=str(places.logs(job)),
        output_path=str(places.outputs(job)),
    )
