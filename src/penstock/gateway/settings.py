"""What the gateway is told once: where it listens, where its files lie, and how large a request may be."""

from dataclasses import dataclass
from pathlib import Path

from penstock.domain.errors import invalid

_MAX_RETRY_BODY_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class GatewaySettings:
    """Settings of the gateway. `owner` marks its processes, so that a later control plane finds them.

    Each connection may hold a buffer of `retry_body_bytes`: a request that fits can be sent to another instance
    when the first one dies. Larger ones, up to `max_body_bytes`, are passed on as they come. For that, HAProxy copies
    the whole buffer of every request, however small: each KiB costs some 0.16 microseconds of each.
    """

    folder: Path  # configuration, maps, log, and the table last applied
    run_folder: Path  # unix sockets; its path is short
    owner: str
    host: str = "127.0.0.1"
    port: int = 8080  # 0: a free one, the same at every start
    binary: str | None = None  # None: the bundled HAProxy, else the one on the PATH
    max_body_bytes: int = 10 * 1024 * 1024
    retry_body_bytes: int = 16 * 1024

    def __post_init__(self) -> None:
        if not 0 <= self.retry_body_bytes <= _MAX_RETRY_BODY_BYTES:
            raise invalid(
                f"retry_body_bytes is {self.retry_body_bytes}: give 0 to {_MAX_RETRY_BODY_BYTES}, "
                "as every connection may hold that much memory"
            )
        if self.max_body_bytes < 1:
            raise invalid(f"max_body_bytes is {self.max_body_bytes}: give at least 1")
        if not 0 <= self.port <= 65535:
            raise invalid(f"gateway port {self.port} is not a port: give 0 to 65535")
