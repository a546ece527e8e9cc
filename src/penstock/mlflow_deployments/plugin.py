"""`mlflow deployments -t penstock://HOST:PORT`: what MLflow loads, with its contract. It alone imports MLflow."""

# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUntypedBaseClass=false, reportUnknownArgumentType=false, reportUnknownParameterType=false

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow.artifacts import download_artifacts
from mlflow.deployments import BaseDeploymentClient, PredictionsResponse
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode

from penstock.client.client import Client
from penstock.domain.errors import Code, PenstockError
from penstock.mlflow_deployments.deployments import Config, Deployments
from penstock.mlflow_deployments.endpoints import Endpoints
from penstock.mlflow_deployments.target import SCHEME, check_flavor, platform_url

_CODES = {
    Code.INVALID: "INVALID_PARAMETER_VALUE",
    Code.NOT_FOUND: "RESOURCE_DOES_NOT_EXIST",
    Code.CONFLICT: "RESOURCE_ALREADY_EXISTS",
    Code.DENIED: "UNAUTHENTICATED",
    Code.UNAVAILABLE: "TEMPORARILY_UNAVAILABLE",
}
_HELP = """
penstock://HOST:PORT   the platform there, with the token in PENSTOCK_TOKEN
penstock               the platform in PENSTOCK_URL, else that of this machine, whose token is found by itself

--name      the deployment. With --endpoint it belongs to that endpoint, which is made if there is none. Without,
            ENDPOINT/NAME says both, and a plain NAME is a deployment with an endpoint of its own by that name.
--model-uri models:/NAME/VERSION, models:/NAME@ALIAS, azureml:NAME:VERSION: a version of the platform's registry
            runs:/RUN/PATH, models:/m-ID: registered first, as ENDPOINT-NAME
            a local path, or a URI that MLflow can download: sent and deployed without being registered

-C NAME=VALUE of a deployment: `traffic=10`, its percent of the endpoint's requests; `endpoint=NAME`; and every field
of an online deployment's YAML file, dots between the names: instance_count=2, environment=azureml:NAME:VERSION,
request_settings.request_timeout_ms=60000, environment_variables.LEVEL=debug, resources.limits.memory=2Gi.

-C NAME=VALUE of an endpoint: traffic="blue=90 green=10", mirror_traffic="green=10", description=TEXT, tags.a=b.
"""


class PenstockDeploymentClient(BaseDeploymentClient):
    """MLflow's client for one platform. Failures are MlflowExceptions with the platform's words."""

    def __init__(self, target_uri: str) -> None:
        super().__init__(target_uri)
        with _in_mlflows_words():
            client = Client(platform_url(target_uri))
        self._deployments = Deployments(client, _download)
        self._endpoints = Endpoints(client)

    def create_deployment(
        self,
        name: str,
        model_uri: str,
        flavor: str | None = None,
        config: Config = None,
        endpoint: str | None = None,
    ) -> dict[str, Any]:
        with _in_mlflows_words():
            check_flavor(flavor)
            return self._deployments.create(name, model_uri, config, endpoint)

    def update_deployment(
        self,
        name: str,
        model_uri: str | None = None,
        flavor: str | None = None,
        config: Config = None,
        endpoint: str | None = None,
    ) -> dict[str, Any]:
        with _in_mlflows_words():
            check_flavor(flavor)
            return self._deployments.update(name, model_uri, config, endpoint)

    def delete_deployment(self, name: str, config: Config = None, endpoint: str | None = None) -> None:
        with _in_mlflows_words():
            self._deployments.delete(name, endpoint or (config or {}).get("endpoint"))

    def list_deployments(self, endpoint: str | None = None) -> list[dict[str, Any]]:
        with _in_mlflows_words():
            return self._deployments.list(endpoint)

    def get_deployment(self, name: str, endpoint: str | None = None) -> dict[str, Any]:
        with _in_mlflows_words():
            return self._deployments.get(name, endpoint)

    def predict(self, deployment_name: str | None = None, inputs: Any = None, endpoint: str | None = None) -> Any:
        """Inputs are a table, an array, rows, a mapping of arrays, or a request body; a PredictionsResponse comes."""
        with _in_mlflows_words():
            return PredictionsResponse(self._deployments.predict(deployment_name, inputs, endpoint))

    def create_endpoint(
        self, name: str | None = None, config: Config = None, endpoint: str | None = None
    ) -> dict[str, Any]:
        """The name may be given as `endpoint` too, as all other calls do."""
        with _in_mlflows_words():
            return self._endpoints.create(name or endpoint or "", config)

    def update_endpoint(self, endpoint: str, config: Config = None) -> dict[str, Any]:
        with _in_mlflows_words():
            return self._endpoints.update(endpoint, config)

    def delete_endpoint(self, endpoint: str) -> None:
        with _in_mlflows_words():
            self._endpoints.delete(endpoint)

    def list_endpoints(self) -> list[dict[str, Any]]:
        with _in_mlflows_words():
            return self._endpoints.list()

    def get_endpoint(self, endpoint: str) -> dict[str, Any]:
        with _in_mlflows_words():
            return self._endpoints.get(endpoint)


def run_local(name: str, model_uri: str, flavor: str | None = None, config: Config = None) -> dict[str, Any]:
    """Deploy on this machine's own platform, which is started if it does not run."""
    from penstock.daemon import start_detached
    from penstock.settings import from_environment

    with _in_mlflows_words():
        url = str(start_detached(from_environment())["url"])
    return PenstockDeploymentClient(url.replace("http", SCHEME, 1)).create_deployment(name, model_uri, flavor, config)


def target_help() -> str:
    return _HELP


def _download(uri: str) -> Path:
    return Path(str(download_artifacts(artifact_uri=uri)))


@contextmanager
def _in_mlflows_words() -> Generator[None]:
    try:
        yield
    except PenstockError as err:
        more = "".join(f"\n{text}" for name, text in err.details.items() if name in ("traceback", "log"))
        code = ErrorCode.Value(_CODES.get(err.code, "INTERNAL_ERROR"))
        raise MlflowException(err.message + more, error_code=code) from err
