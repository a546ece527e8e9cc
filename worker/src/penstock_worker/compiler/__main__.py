"""`python -m penstock_worker.compiler JOB`: compile a model as the file JOB says, and tell the report how it goes."""

from __future__ import annotations

import sys
from pathlib import Path

from penstock_worker import contract as worker
from penstock_worker.compiler.compilation import compile_model
from penstock_worker.compiler.contract import CONVERT, Job
from penstock_worker.compiler.report import CompileError, Report
from penstock_worker.memory import limit_memory, offer_to_kernel, ran_out
from penstock_worker.trace import user_traceback


def main(path: str) -> int:
    """The exit status; whatever happens stands in the report, unless the process is killed."""
    job = Job.read(Path(path).read_text(encoding="utf-8"))
    report = Report(Path(job.report))
    offer_to_kernel()
    limit_memory(job.memory_bytes)
    try:
        compile_model(job, report)
    except CompileError as error:
        report.fail(error)
        return worker.EXIT_CANNOT_LOAD
    except Exception as error:  # noqa: BLE001 - models and converters raise whatever comes to them
        reason = worker.MEMORY_LIMIT_EXCEEDED if ran_out(error) else "ConverterFailed"
        limit = f" within {job.memory_bytes // 2**20} MiB" if ran_out(error) else ""
        message = f"model {job.name} cannot be compiled{limit}: {type(error).__name__}: {error}"
        report.fail(CompileError(report.step or CONVERT, reason, message, user_traceback(error)))
        return worker.EXIT_CANNOT_LOAD
    return worker.EXIT_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
