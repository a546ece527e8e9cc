"""How results are written to stdout: JSON, YAML, table or TSV, all of it or what a JMESPath query picks."""

import json
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, cast

from penstock.domain.errors import invalid

Text = Callable[[Any], str]  # data as people read it


class Output(StrEnum):
    JSON = "json"
    YAML = "yaml"
    TABLE = "table"
    TSV = "tsv"
    NONE = "none"


class Query:
    """A JMESPath query; raises `invalid` where it does not parse."""

    def __init__(self, expression: str) -> None:
        import jmespath
        import jmespath.exceptions

        try:
            self._compiled = jmespath.compile(expression)
        except jmespath.exceptions.JMESPathError as err:
            raise invalid(f"--query {expression!r} is not JMESPath: {err}") from None

    def search(self, data: Any) -> Any:
        import jmespath.exceptions

        try:
            return self._compiled.search(data)
        except jmespath.exceptions.JMESPathError as err:
            raise invalid(f"--query cannot be applied: {err}") from None


def rendered(data: Any, output: Output, text: Text) -> str:
    """`data` in the form asked for, without a newline at the end. `text` makes the table."""
    match output:
        case Output.JSON:
            return json.dumps(data, indent=2, ensure_ascii=False)
        case Output.YAML:
            import yaml

            return yaml.safe_dump(data, sort_keys=False, allow_unicode=True).rstrip("\n")
        case Output.TABLE:
            return text(data)
        case Output.TSV:
            return "\n".join(_tsv_line(row) for row in _rows(data))
        case Output.NONE:
            return ""


def table(*columns: str) -> Text:
    """A renderer of aligned columns for one object or a list of them; without names, of all simple fields."""

    def render(data: Any) -> str:
        rows = _rows(data)
        if not all(isinstance(row, Mapping) for row in rows):
            return "\n".join(_cell(row) for row in rows)
        names = columns or _simple_fields(rows)
        heads = [name.replace("_", " ").title().replace(" ", "") for name in names]
        return _aligned([heads, *([_cell(row.get(name)) for name in names] for row in rows)])

    return render


def plain(data: Any) -> str:
    """A renderer for what no columns are known of."""
    return table()(data)


def _rows(data: Any) -> list[Any]:
    if data is None:
        return []
    return cast(list[Any], data) if isinstance(data, list) else [data]


def _simple_fields(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    names = {name: None for row in rows for name, value in row.items() if not isinstance(value, (dict, list))}
    return tuple(names)


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _tsv_line(row: Any) -> str:
    values = cast(dict[str, Any], row).values() if isinstance(row, dict) else _rows(row)
    return "\t".join(_cell(value) for value in values)


def _cell(value: Any) -> str:
    """One value on one line; terminals must not obey what a description holds."""
    if value is None:
        return ""
    if isinstance(value, dict) and all(isinstance(v, (int, str)) for v in cast(dict[str, Any], value).values()):
        text = " ".join(f"{k}={v}" for k, v in cast(dict[str, Any], value).items())
    elif isinstance(value, (dict, list)):
        text = json.dumps(value, ensure_ascii=False)
    else:
        text = str(value).lower() if isinstance(value, bool) else str(cast(object, value))
    return "".join(c if c.isprintable() else " " for c in text)
