"""From a model URI of MLflow's to what a deployment names: a registered version, or files that were sent."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from penstock.artifacts.folders import pack
from penstock.client.client import Client
from penstock.domain.model import Model
from penstock.mlflow_deployments.target import Place
from penstock.registry.places import Registered, parse_place

Download = Callable[[str], Path]  # of what lies in another store, as MLflow does it

_REGISTRY = ("models:", "runs:", "azureml://")


def deployable(client: Client, uri: str, place: Place, download: Download) -> str | Model:
    """The model at `uri` for a deployment's spec. Versions and aliases mean the version that they mean now.

    What a run has logged is registered first, under the deployment's name; a local folder or file is sent.
    """
    if uri.startswith("azureml:") and not uri.startswith("azureml://"):
        return uri
    if not uri.startswith(_REGISTRY):
        packed = pack(_local(uri) or download(uri))
        return Model(path=client.artifacts.upload(packed))
    wanted = parse_place(uri)
    if isinstance(wanted, Registered):
        label = f"@{wanted.alias}" if wanted.alias else wanted.version or "latest"
        found = client.models.get(wanted.name, label)
    else:
        name = place.deployment if place.own else f"{place.endpoint}-{place.deployment}"
        found = client.models.register(Model(name=name, path=uri))
    return f"azureml:{found.name}:{found.version}"


def _local(uri: str) -> Path | None:
    if uri.startswith("file:"):
        return Path(unquote(urlsplit(uri).path))
    return None if "://" in uri else Path(uri)
