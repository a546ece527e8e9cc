"""Settings of the platform, and where everything lies in its home folder. The only reader of `os.environ`."""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from penstock.domain.errors import invalid

DEFAULT_PORT = 8700
DEFAULT_GATEWAY_PORT = 8080
MAIN, STANDBY = "main", "standby"  # the control planes that one home may have
_SOCKET_ROOM = 100  # bytes; sun_path holds 108
_LONGEST_SOCKET = 40  # an instance's socket is 16 hex digits; the gateway needs some more


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, with the variable that sets each. Flags of `penstock up` win over variables."""

    home: Path  # PENSTOCK_HOME
    host: str = "127.0.0.1"  # PENSTOCK_HOST: address of API and gateway
    port: int = DEFAULT_PORT  # PENSTOCK_PORT
    gateway_port: int = DEFAULT_GATEWAY_PORT  # PENSTOCK_GATEWAY_PORT
    standby: bool = False  # PENSTOCK_STANDBY: wait until the home's control plane has ended or hangs, then take over
    standby_port: int | None = None  # PENSTOCK_STANDBY_PORT: of its API; None: one more than `port`
    keep_serving: bool = False  # PENSTOCK_KEEP_SERVING: SIGTERM ends the control plane only, predictions go on
    drain_seconds: int = 30  # PENSTOCK_DRAIN_SECONDS: how long the end may take, for requests that are under way
    database_url: str | None = None  # PENSTOCK_DATABASE_URL; None: SQLite in the home folder
    haproxy: str | None = None  # PENSTOCK_HAPROXY; None: the bundled one, else the one on the PATH
    max_body_bytes: int = 10 * 1024 * 1024  # PENSTOCK_MAX_BODY_BYTES: larger requests are answered 413
    retry_body_bytes: int = 16 * 1024  # PENSTOCK_RETRY_BODY_BYTES: smaller requests survive the death of an instance
    instance_memory_bytes: int | None = None  # PENSTOCK_INSTANCE_MEMORY_BYTES; None: 80 % of the host's memory
    python_policy: str = "nearest"  # PENSTOCK_PYTHON_POLICY: nearest or strict
    python_downloads: str = "auto"  # PENSTOCK_PYTHON_DOWNLOADS: auto or never
    job_days: int = 30  # PENSTOCK_JOB_DAYS: jobs that failed or were canceled can be resumed for so long; 0: for ever
    environment_days: int = 30  # PENSTOCK_ENVIRONMENT_DAYS: environments unused for so long are removed; 0: never
    collected_days: int = 30  # PENSTOCK_COLLECTED_DAYS: collected records are kept for so long; 0: for ever
    log_bytes: int = 10 * 1024 * 1024  # PENSTOCK_LOG_BYTES: size at which an instance's log is rotated
    container_tool: str | None = None  # PENSTOCK_CONTAINER_TOOL: name or path; None: podman, else docker
    container_network: str | None = None  # PENSTOCK_CONTAINER_NETWORK; None: the best that works here
    mlflow: str | None = None  # PENSTOCK_MLFLOW: an `mlflow` program; None: the platform builds an environment for it
    mlflow_database_url: str | None = field(default=None, repr=False)  # PENSTOCK_MLFLOW_DATABASE_URL; None: SQLite
    mlflow_artifacts: str | None = None  # PENSTOCK_MLFLOW_ARTIFACTS: s3://, gs://, wasbs://, abfs:// or a folder
    environ: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)  # for processes that are started
    url: str | None = None  # PENSTOCK_URL: the platform that clients speak to; None: the one of the home folder
    token: str | None = field(default=None, repr=False)  # PENSTOCK_TOKEN: what clients show it
    share_token: str | None = field(default=None, repr=False)  # PENSTOCK_SHARE_TOKEN: for the platform shared with

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'penstock.db'}"

    @property
    def name(self) -> str:
        """Of this control plane among those of the home."""
        return STANDBY if self.standby else MAIN

    @property
    def api_port(self) -> int:
        """Where this control plane listens; 0: on a free port."""
        if not self.standby:
            return self.port
        return self.standby_port if self.standby_port is not None else self.port and self.port + 1

    @property
    def token_file(self) -> Path:
        return self.home / "token"

    @property
    def collected_folder(self) -> Path:
        """Where instances put the records that they collect."""
        return self.home / "collected"

    @property
    def server_file(self) -> Path:
        """Where the control plane that leads writes its addresses and pid."""
        return self.home / "server.json"

    @property
    def container_folder(self) -> Path:
        """Where the engine keeps the files of containers; made with the first one."""
        return self.home / "containers"

    @property
    def run_folder(self) -> Path:
        """Folder of unix sockets: in the home, or in the temporary folder if the home's path is too long for them."""
        inside = self.home / "run"
        if len(os.fsencode(inside)) + _LONGEST_SOCKET <= _SOCKET_ROOM:
            return inside
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"penstock-{os.getuid()}-{digest}"


@dataclass(frozen=True, kw_only=True)
class MoverSettings:
    """Of the process that moves the files of a job, which the platform starts with these variables."""

    folder: Path  # PENSTOCK_BATCH_FOLDER: the job's work folder
    worker: str  # PENSTOCK_BATCH_WORKER: its name in it
    report: Path | None  # PENSTOCK_REPORT: where it says how its start went
    datastores: str  # PENSTOCK_BATCH_DATASTORES: those it needs, as JSON, without their credentials
    secrets: Path  # PENSTOCK_BATCH_SECRETS: folder with their credentials


def mover_from_environment(environ: Mapping[str, str] | None = None) -> MoverSettings:
    """Raises KeyError for a variable that is missing."""
    env = os.environ if environ is None else environ
    report = env.get("PENSTOCK_REPORT")
    return MoverSettings(
        folder=Path(env["PENSTOCK_BATCH_FOLDER"]),
        worker=env["PENSTOCK_BATCH_WORKER"],
        report=Path(report) if report else None,
        datastores=env.get("PENSTOCK_BATCH_DATASTORES", "{}"),
        secrets=Path(env.get("PENSTOCK_BATCH_SECRETS", "/nonexistent")),
    )


def from_environment(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings as the environment gives them; raises `invalid` naming the variable that cannot be read."""
    env = os.environ if environ is None else environ
    home = Path(env.get("PENSTOCK_HOME") or Path.home() / ".penstock").expanduser().resolve()
    return Settings(
        home=home,
        host=env.get("PENSTOCK_HOST", "127.0.0.1"),
        port=_number(env, "PENSTOCK_PORT", DEFAULT_PORT),
        gateway_port=_number(env, "PENSTOCK_GATEWAY_PORT", DEFAULT_GATEWAY_PORT),
        standby=_flag(env, "PENSTOCK_STANDBY"),
        standby_port=_number(env, "PENSTOCK_STANDBY_PORT", -1) if env.get("PENSTOCK_STANDBY_PORT") else None,
        keep_serving=_flag(env, "PENSTOCK_KEEP_SERVING"),
        drain_seconds=_number(env, "PENSTOCK_DRAIN_SECONDS", 30),
        database_url=env.get("PENSTOCK_DATABASE_URL") or None,
        haproxy=env.get("PENSTOCK_HAPROXY") or None,
        max_body_bytes=_number(env, "PENSTOCK_MAX_BODY_BYTES", 10 * 1024 * 1024),
        retry_body_bytes=_number(env, "PENSTOCK_RETRY_BODY_BYTES", 16 * 1024),
        instance_memory_bytes=_number(env, "PENSTOCK_INSTANCE_MEMORY_BYTES", 0) or None,
        python_policy=env.get("PENSTOCK_PYTHON_POLICY", "nearest"),
        python_downloads=env.get("PENSTOCK_PYTHON_DOWNLOADS", "auto"),
        job_days=_number(env, "PENSTOCK_JOB_DAYS", 30),
        environment_days=_number(env, "PENSTOCK_ENVIRONMENT_DAYS", 30),
        collected_days=_number(env, "PENSTOCK_COLLECTED_DAYS", 30),
        log_bytes=_number(env, "PENSTOCK_LOG_BYTES", 10 * 1024 * 1024),
        container_tool=env.get("PENSTOCK_CONTAINER_TOOL") or None,
        container_network=env.get("PENSTOCK_CONTAINER_NETWORK") or None,
        mlflow=env.get("PENSTOCK_MLFLOW") or None,
        mlflow_database_url=env.get("PENSTOCK_MLFLOW_DATABASE_URL") or None,
        mlflow_artifacts=env.get("PENSTOCK_MLFLOW_ARTIFACTS") or None,
        environ=dict(env),
        url=env.get("PENSTOCK_URL") or None,
        token=env.get("PENSTOCK_TOKEN") or None,
        share_token=env.get("PENSTOCK_SHARE_TOKEN") or None,
    )


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, "")
    try:
        return int(text) if text else default
    except ValueError:
        raise invalid(f"{name}={text!r} is not a whole number") from None


def _flag(env: Mapping[str, str], name: str) -> bool:
    text = env.get(name, "").lower()
    if text in ("", "0", "false", "no", "off"):
        return False
    if text in ("1", "true", "yes", "on"):
        return True
    raise invalid(f"{name}={text!r} is neither true nor false")
