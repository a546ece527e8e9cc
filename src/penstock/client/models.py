"""Registered models: what can be asked of them."""

from penstock.client.resources import understood, understood_items
from penstock.client.transport import Transport, segment
from penstock.domain.model import Model, ModelVersion

_ROOT = "/models"


class Models:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def register(self, model: Model) -> ModelVersion:
        """Keep a version of a model whose path is an artifact reference; without `version`, the next one.

        The same content under the same version again returns what is there; other content is a `conflict`.
        """
        return understood(ModelVersion, self._transport.post(_ROOT, model.model_dump(mode="json")))

    def get(self, name: str, version: str = "latest") -> ModelVersion:
        return understood(ModelVersion, self._transport.get(_path(name, version)))

    def list(self, name: str | None = None, *, include_archived: bool = False) -> list[ModelVersion]:
        """All versions, newest first, of one model or of all."""
        query = {"name": name, "include_archived": "true" if include_archived else None}
        return understood_items(ModelVersion, self._transport.get(_ROOT, query))

    def archive(self, name: str, version: str) -> ModelVersion:
        """Hide a version from lists; it stays deployable."""
        return understood(ModelVersion, self._transport.post(f"{_path(name, version)}/archive"))

    def restore(self, name: str, version: str) -> ModelVersion:
        return understood(ModelVersion, self._transport.post(f"{_path(name, version)}/restore"))


def _path(name: str, version: str) -> str:
    return f"{_ROOT}/{segment(name)}/versions/{segment(version)}"
