"""The base of parameter types: a sample, what it looks like in Swagger, and how JSON becomes such a value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from penstock_worker.kinds import is_list, is_object

_VERSIONS = ["3.0", "3.1"]
_VERSION_2 = "2.0"


class AbstractParameterType(ABC):
    """Scripts may derive their own."""

    def __init__(self, sample_input: Any) -> None:
        self.sample_input = sample_input
        self.sample_data_type: type = type(sample_input)

    def supported_versions(self) -> list[str]:
        """The versions of Swagger that can describe the sample: in 2.0, the items of an array are all of one type."""
        example = self.input_to_swagger()["example"]
        return [_VERSION_2, *_VERSIONS] if _is_even(example) else list(_VERSIONS)

    @abstractmethod
    def deserialize_input(self, input_data: Any) -> Any:
        """The value that `input_data`, which comes from JSON, stands for."""

    @abstractmethod
    def input_to_swagger(self) -> dict[str, Any]:
        """The schema of the sample, with an `example`."""


def _is_even(example: Any) -> bool:
    if is_object(example):
        return all(_is_even(part) for part in example.values())
    if not is_list(example) or not example:
        return True
    first = example[0].__class__
    return all(item.__class__ is first and (not is_list(item) or _is_even(item)) for item in example)
