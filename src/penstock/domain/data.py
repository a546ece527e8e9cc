"""Data assets: names and versions for files and folders that jobs read."""

from typing import Any, Literal

from pydantic import Field, field_validator

from penstock.domain.asset import Asset, AssetStatus
from penstock.domain.endpoint import texts
from penstock.domain.resource import Kind

DataType = Literal["uri_file", "uri_folder"]


class Data(Asset):
    """Azure's data asset YAML. What a version refers to never changes; the files there are where they were, and may.

    `path` is a URI, `azureml://datastores/...`, or an absolute path of the platform's machine.
    """

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


DATA: Kind[Data, AssetStatus] = Kind("data", Data, AssetStatus)
