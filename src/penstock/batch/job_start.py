"""What a job needs before its first step: a list of its input, and an order for its workers."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from penstock.batch.active_job import ActiveJob, JobParts
from penstock.batch.container_inputs import check_inputs, reader_of
from penstock.batch.job_statuses import JobResource
from penstock.batch.launch import Launch
from penstock.batch.orders import order_of
from penstock.store.ledger import LedgerFile
from penstock_worker import batch_contract
from penstock_worker.batch_contract import Order


def listed(parts: JobParts, job: JobResource, launch: Launch) -> Sequence[LedgerFile]:
    """The files of the input, which workers can read, for an output that can be written.

    Raises what `JobInput.check_output` and `listed` raise, and `invalid` for what containers could not read.
    """
    parts.input.check_output(job.name, job.spec)
    files = parts.input.listed(job.name, job.spec)
    if launch.image is not None:
        reads = parts.input.reads(job.name, job.spec)
        check_inputs(files, reads, reader_of(launch.image.user, os.getuid()))
    return files


def activated(parts: JobParts, job: JobResource, launch: Launch) -> ActiveJob:
    """The job under way, with the order that an earlier control plane may have written. Raises OSError."""
    if launch.image is not None:
        launch = replace(launch, reads=parts.input.reads(job.name, job.spec))
    known = batch_contract.read(parts.places.work(job.name) / "order.json", Order)
    order = known or _order(parts, job, launch)
    Path(order.output_path).mkdir(mode=0o700, parents=True, exist_ok=True)
    (parts.places.logs(job.name) / "user").mkdir(mode=0o700, parents=True, exist_ok=True)
    return ActiveJob(job.name, job.spec, order, parts, launch)


def _order(parts: JobParts, job: JobResource, launch: Launch) -> Order:
    folder = parts.input.output_folder(job.name, job.spec, apart=launch.image is not None)
    return order_of(job.name, job.spec, parts.places, folder)
