"""Data assets: what can be asked of them."""

from penstock.client.resources import AppliedData, RegisteredData, understood, understood_items
from penstock.client.transport import Transport, segment
from penstock.domain.asset import AssetChange
from penstock.domain.data import Data
from penstock.domain.errors import invalid

_ROOT = "/data"


class DataAssets:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create_or_update(self, data: Data, *, skip_validation: bool = False) -> AppliedData:
        """Keep a version of a data asset; without `version`, the next one. Files are referred to where they lie, as the
        platform's machine sees them. Raises `not_found` if there are none, unless validation is skipped.
        """
        if data.name is None:
            raise invalid("the data asset has no name: give `name`")
        query = {"skip_validation": "true" if skip_validation else None}
        if data.version is None:
            answer = self._transport.post(_ROOT, data.model_dump(mode="json"), query)
        else:
            content = data.model_dump_json().encode()
            answer = self._transport.put(_path(data.name, data.version), content, query=query)
        return understood(AppliedData, answer)

    def get(self, name: str, version: str = "latest") -> RegisteredData:
        return understood(RegisteredData, self._transport.get(_path(name, version)))

    def list(self, name: str | None = None, *, include_archived: bool = False) -> list[RegisteredData]:
        """All versions, newest first, of one data asset or of all."""
        query = {"name": name, "include_archived": "true" if include_archived else None}
        return understood_items(RegisteredData, self._transport.get(_ROOT, query))

    def change(self, name: str, version: str, change: AssetChange) -> AppliedData:
        """Say something else of a version; fields that are not set stay as they are."""
        said = change.model_dump(mode="json", exclude_unset=True)
        return understood(AppliedData, self._transport.patch(_path(name, version), said))

    def archive(self, name: str, version: str) -> RegisteredData:
        """Hide a version from lists and from `latest`; jobs that name it can still read it."""
        return understood(RegisteredData, self._transport.post(f"{_path(name, version)}/archive"))

    def restore(self, name: str, version: str) -> RegisteredData:
        return understood(RegisteredData, self._transport.post(f"{_path(name, version)}/restore"))


def _path(name: str, version: str) -> str:
    return f"{_ROOT}/{segment(name)}/versions/{segment(version)}"
