"""Tables of pandas: JSON in one of pandas' orients, checked against the columns of a sample."""

from __future__ import annotations

import importlib
import json
from io import StringIO
from typing import Any

from penstock_worker.inference_schema.parameter_types.abstract_parameter_type import AbstractParameterType
from penstock_worker.inference_schema.plain_schemas import list_schema, object_schema

pandas: Any = importlib.import_module("pandas")  # of the model's environment, not ours
_ORIENTS = ("split", "records", "index", "columns", "values", "table")


class PandasParameterType(AbstractParameterType):
    """A table like the sample: with its columns' types and as many columns, unless these are not enforced."""

    def __init__(
        self,
        sample_input: Any,
        enforce_column_type: bool = True,
        enforce_shape: bool = True,
        apply_column_names: bool = False,
        orient: str = "records",
    ) -> None:
        if not isinstance(sample_input, pandas.DataFrame):
            raise TypeError(f"PandasParameterType takes a DataFrame as its sample, not a {type(sample_input).__name__}")
        if orient not in _ORIENTS:
            raise ValueError(f"orient {orient!r} is not one of {', '.join(_ORIENTS)}")
        super().__init__(sample_input)
        self.enforce_column_type = enforce_column_type
        self.enforce_shape = enforce_shape
        self.apply_column_names = apply_column_names
        self.orient = orient

    def deserialize_input(self, input_data: Any) -> Any:
        """Raises ValueError, or whatever pandas raises, for what is no such table."""
        if isinstance(input_data, pandas.DataFrame):
            return input_data
        if not isinstance(input_data, (list, dict)):
            raise ValueError(f"a table is expected: a list or object; it is a {type(input_data).__name__}")
        table = pandas.read_json(StringIO(json.dumps(input_data)), orient=self.orient, dtype=False)
        if self.apply_column_names:
            table.columns = self.sample_input.columns.copy()
        if self.enforce_column_type:
            table = self._typed(table)
        wanted, given = self.sample_input.shape[1], table.shape[1]
        if self.enforce_shape and given != wanted:
            raise ValueError(f"a table of {wanted} columns is expected; it has {given}")
        return table

    def input_to_swagger(self) -> dict[str, Any]:
        sample = json.loads(self.sample_input.to_json(orient=self.orient, date_format="iso"))
        as_list = self.orient in ("records", "values")
        schema = list_schema(sample) if as_list else object_schema(sample)
        for column in self.sample_input.columns:
            form = _form(self.sample_input.dtypes[column])
            for place in _places(schema, self.orient, str(column)) if form else ():
                place["format"] = form
        return {**schema, "format": f"pandas.DataFrame:{self.orient}"}

    def _typed(self, table: Any) -> Any:
        types = self.sample_input.dtypes.to_dict()
        wanted = {column: types.get(column, object) for column in table.columns}
        for column, kind in wanted.items():
            if str(kind).startswith("timedelta"):
                table[column] = pandas.to_timedelta(table[column])
        return table.astype(dtype=wanted)


def _form(dtype: Any) -> str:
    name = str(dtype)
    return "date-time" if name.startswith("datetime") else "timedelta" if name.startswith("timedelta") else ""


def _places(schema: dict[str, Any], orient: str, column: str) -> list[dict[str, Any]]:
    """Where `schema` describes the values of `column`."""
    if orient == "records":
        return [schema["items"]["properties"][column]]
    if orient == "index":
        return [row["properties"][column] for row in schema["properties"].values()]
    if orient == "columns":
        return list(schema["properties"][column]["properties"].values())
    if orient == "table":
        return [schema["properties"]["data"]["items"]["properties"][column]]
    return []
