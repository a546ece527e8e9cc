"""Data assets: names and versions for files and folders that jobs read."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from penstock.domain.endpoint import texts
from penstock.domain.environment import version_as_text
from penstock.domain.resource import Frozen, Kind, Status

DataType = Literal["uri_file", "uri_folder"]


class Data(Frozen):
    """Azure's data asset YAML. What a version refers to never changes; the files there are where they were, and may.

    `path` is a URI, `azureml://datastores/...`, or an absolute path of the platform's machine.
    """

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    name: str | None = None
    version: str | None = None
    description: str | None = None
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    type: DataType = "uri_folder"
    path: str = Field(min_length=1, max_length=4000)

    @field_validator("tags", "properties", mode="before")
    @classmethod
    def _text_values(cls, value: Any) -> Any:
        return texts(value)

    @field_validator("type", mode="before")
    @classmethod
    def _no_tables(cls, value: Any) -> Any:
        if value == "mltable":
            raise ValueError(
                "mltable is not supported: its transformations run inside Azure ML; give the files that it names as "
                "uri_file or uri_folder"
            )
        return value

    @model_validator(mode="before")
    @classmethod
    def _versions_are_text(cls, data: Any) -> Any:
        return version_as_text(data)


class DataStatus(Status):
    """`archived` hides a version from lists and from `latest`; jobs that name it can still read it."""

    archived: bool = False


class DataChange(Frozen):
    """What is to be said of a version from now on; fields left out stay as they are."""

    description: str | None = None
    tags: dict[str, str] | None = None  # all of them


# Named NAME:VERSION.
DATA: Kind[Data, DataStatus] = Kind("data", Data, DataStatus)
