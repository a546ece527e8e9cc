"""What the MLflow server is given: where it keeps what, the packages it needs, and all of its environment. Pure."""

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

_PASSED = frozenset(
    {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH"}
    | {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}
    | {"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}
    | {"PGPASSWORD", "PGPASSFILE", "PGSERVICE", "PGSERVICEFILE", "PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"}
)
_PASSED_FAMILIES = ("AWS_", "AZURE_", "GOOGLE_", "MLFLOW_S3_", "MLFLOW_GCS_", "MLFLOW_ARTIFACT_", "MLFLOW_SQLALCHEMY")
_FIXED = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight more processes and a gigabyte
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}
_PACKAGES = {
    "postgresql": ("psycopg[binary]>=3.2",),
    "s3": ("boto3",),
    "gs": ("google-cloud-storage",),
    "wasbs": ("azure-storage-blob", "azure-identity"),
    "abfss": ("azure-storage-file-datalake", "azure-identity"),
}
_MLFLOW = "mlflow>=3.17,<4"


@dataclass(frozen=True, kw_only=True)
class MlflowSettings:
    """`database_url` and `artifacts` of None mean SQLite and a folder, both in `folder`."""

    folder: Path  # where it runs
    run_folder: Path  # of its unix socket
    log: Path
    log_bytes: int
    database_url: str | None = field(default=None, repr=False)  # may hold a password
    artifacts: str | None = None  # s3://, gs://, wasbs://, abfs(s):// or a folder
    environ: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)  # of the platform

    @property
    def own_database(self) -> Path | None:
        """The SQLite file in `folder`, unless another database is set."""
        return self.folder / "mlflow.db" if self.database_url is None else None

    @property
    def name(self) -> str:
        """Of the process. It is another one for other stores: a server that writes elsewhere is never taken over."""
        stores = f"{self.without_secrets(self._database)} {self._artifacts}"
        return f"mlflow.{hashlib.sha256(stores.encode()).hexdigest()[:8]}"

    @property
    def socket(self) -> Path:
        return self.run_folder / f"{self.name}.sock"

    def requirements(self) -> tuple[str, ...]:
        """What pip must install for a server with these stores."""
        schemes = (_scheme(self._database), _scheme(self._artifacts))
        return (_MLFLOW, *(package for scheme in schemes for package in _PACKAGES.get(scheme, ())))

    def arguments(self) -> tuple[str, ...]:
        """For `mlflow`. It listens on its socket alone; passwords are in its environment."""
        listening = f"--uds {shlex.quote(str(self.socket))} --no-access-log"
        return ("server", "--workers", "1", "--uvicorn-opts", listening)

    def environment(self) -> dict[str, str]:
        passed = {
            name: value
            for name, value in self.environ.items()
            if name.upper() in _PASSED or name.startswith(_PASSED_FAMILIES)
        }
        stores = {"MLFLOW_BACKEND_STORE_URI": self._database, "MLFLOW_ARTIFACTS_DESTINATION": self._artifacts}
        return {**passed, **_FIXED, **stores}

    def without_secrets(self, text: str) -> str:
        """`text` with the database's password taken out."""
        password = self._password
        if not password:
            return text
        return text.replace(password, "***").replace(unquote(password), "***")

    @property
    def _password(self) -> str | None:
        try:
            return urlsplit(self._database).password
        except ValueError:
            return None

    @property
    def _database(self) -> str:
        """A URL that names the driver that `requirements` installs."""
        if self.database_url is None:
            return f"sqlite:///{self.folder / 'mlflow.db'}"
        scheme, colon, rest = self.database_url.partition(":")
        return f"postgresql+psycopg:{rest}" if colon and scheme in ("postgresql", "postgres") else self.database_url

    @property
    def _artifacts(self) -> str:
        """MLflow knows Azure's data lake by its encrypted scheme only."""
        if self.artifacts is None:
            return str(self.folder / "artifacts")
        scheme, colon, rest = self.artifacts.partition(":")
        return f"abfss:{rest}" if colon and scheme == "abfs" else self.artifacts


def _scheme(url: str) -> str:
    return url.partition(":")[0].partition("+")[0] if ":" in url else ""
