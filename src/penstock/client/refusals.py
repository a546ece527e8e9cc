"""What the system says where the user's disk cannot be written, as errors of ours."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from penstock.domain.errors import full_disk_named, invalid


@contextmanager
def refusals_named(place: Path) -> Generator[None]:
    """Turns the system's errors into `unavailable` for a full disk, and `invalid` naming the file for all others."""
    try:
        with full_disk_named(place):
            yield
    except OSError as err:
        raise invalid(f"{err.filename2 or err.filename or place} cannot be written: {err.strerror or err}") from err
