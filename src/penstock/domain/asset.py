"""Assets: registered under a name and a version. What a version holds never changes; what is said of it may."""

from typing import Any, cast

from pydantic import Field, model_validator

from penstock.domain.resource import Frozen, Status


class Asset(Frozen):
    """What the YAML of every asset begins with. Registered, an asset is named NAME:VERSION."""

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    name: str | None = None
    version: str | None = None
    description: str | None = None
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}

    @model_validator(mode="before")
    @classmethod
    def _versions_are_text(cls, data: Any) -> Any:
        """YAML reads `version: 1` as a number; versions are text everywhere."""
        return version_as_text(data)


class AssetStatus(Status):
    """`archived` hides a version from lists and from `latest`; whoever names it can still use it."""

    archived: bool = False


class AssetChange(Frozen):
    """What is to be said of a version from now on; fields left out stay as they are."""

    description: str | None = None
    tags: dict[str, str] | None = None  # all of them


def version_as_text(data: Any) -> Any:
    """`data` with a numeric `version` made text; anything else unchanged."""
    if not isinstance(data, dict):
        return data
    fields = cast(dict[str, Any], data)
    version = fields.get("version")
    return {**fields, "version": str(version)} if isinstance(version, (int, float)) else fields
