"""Values of Python's own types, also nested, and with other parameter types inside."""

from __future__ import annotations

import base64
import json
from datetime import date, datetime, time
from typing import Any, Callable

from penstock_worker.inference_schema.parameter_types.abstract_parameter_type import AbstractParameterType
from penstock_worker.inference_schema.plain_schemas import schema_of


class StandardPythonParameterType(AbstractParameterType):
    """A value of the sample's type. Whole numbers pass for floats."""

    def __init__(self, sample_input: Any) -> None:
        super().__init__(sample_input)
        inner: Callable[[Any], bool] = lambda part: isinstance(part, AbstractParameterType)  # noqa: E731
        self.sample_data_type_map: dict[str, AbstractParameterType] = (
            {key: part for key, part in sample_input.items() if inner(part)} if self.sample_data_type is dict else {}
        )
        self.sample_data_type_list: list[AbstractParameterType] = (
            [part for part in sample_input if inner(part)] if self.sample_data_type in (list, tuple) else []
        )

    def deserialize_input(self, input_data: Any) -> Any:
        """Times come as text, bytes in base64. Raises ValueError."""
        convert = _FROM_TEXT.get(self.sample_data_type)
        if convert is not None:
            if not isinstance(input_data, str):
                raise ValueError(f"type str is expected; it is {type(input_data).__name__}")
            input_data = convert(input_data)
        whole_for_float = self.sample_data_type is float and type(input_data) is int
        if not whole_for_float and not isinstance(input_data, self.sample_data_type):
            raise ValueError(f"type {self.sample_data_type.__name__} is expected; it is {type(input_data).__name__}")
        return input_data

    def input_to_swagger(self) -> dict[str, Any]:
        if self.sample_input is None:
            raise ValueError("None is no sample: it has no type to go by")
        schema = schema_of(self.sample_input)
        try:
            json.dumps(schema)
        except TypeError as error:
            raise TypeError(f"the sample has no JSON form, so it cannot be shown as an example: {error}") from error
        return schema


def _moment(text: str) -> datetime:
    try:
        from dateutil import parser  # of pandas, and more generous
    except ImportError:
        return datetime.fromisoformat(text)
    return parser.parse(text)


_FROM_TEXT: dict[type, Callable[[str], Any]] = {
    datetime: _moment,
    date: date.fromisoformat,
    time: lambda text: _moment(text).timetz(),
    bytes: base64.b64decode,
    bytearray: lambda text: bytearray(base64.b64decode(text)),
}
