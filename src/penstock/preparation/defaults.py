"""What the platform gives to the processes that it starts for users."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What every process gets, whatever its deployment says."""

    base_environment: Mapping[str, str]  # PATH, HOME, locale and the like, from the host
    memory_bytes: int
    max_body_bytes: int
    log_bytes: int
