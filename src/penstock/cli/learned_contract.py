"""What a contract could ask of requests, going by data that a model was trained on. Pure, on tables."""

import math
import re
from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, cast

import yaml

if TYPE_CHECKING:
    from polars import DataFrame, Series

MARGIN = 0.1  # of its span, by which a range is widened on either side
MOST_CATEGORIES = 20
_ROWS_PER_CATEGORY = 5  # fewer rows than that for each value say nothing about which there are
_PATTERN_ROWS = 20  # so many different texts of one form make it a pattern
_RUN = re.compile(r"[A-Z]+|[a-z]+|[0-9]+|[^A-Za-z0-9]+", re.ASCII)
_SPECIAL = re.compile(r"[][.^$*+?{}\\|()]")
_LINE_END = re.compile("[\n\r\x85\u2028\u2029]")
_LONGEST_ID = 40


def learned(rows: "DataFrame", left_out: Set[str]) -> Mapping[str, dict[str, Any]]:
    """The rules of each column, as a contract's file has them.

    1. The type is the data's; columns of other types (times, lists) get no rule but that they are there.
    2. A column that was never null must not be.
    3. Few different texts, each seen several times, are categories; texts of one form get a pattern.
    4. Ranges are widened by a tenth of their span; what was never negative stays so.
    """
    return {name: _column(rows[name]) for name in rows.columns if name not in left_out}


def yaml_of(columns: Mapping[str, dict[str, Any]], names: Mapping[str, str | None], source: str) -> str:
    """The contract's file, with what it was learned from. `names` are fields that the data does not tell."""
    given = {field: value for field, value in names.items() if value is not None}
    head = {"type": "contract", **given, "mode": "warn"}
    return (
        f"# Learned from {source}. Ranges are widened by {MARGIN:.0%} of their span on either side.\n"
        "# Read it before it is used: what did not occur in this data is not wrong for that.\n"
        "# mode: warn answers and counts; enforce refuses; shadow counts alone.\n"
        f"{_dumped(head, flow=False)}"
        f"{_dumped({'columns': dict(columns)}, flow=None)}"
    )


def _column(series: "Series") -> dict[str, Any]:
    kind = _type(series)
    present = series.drop_nulls()
    rules: dict[str, Any] = {} if kind is None else {"type": kind}
    if series.dtype.is_float():
        present = present.drop_nans()
    if len(present) < len(series):
        rules["nullable"] = True
    if kind in ("number", "integer"):
        rules |= _range(present, whole=kind == "integer")
    if kind == "string":
        rules |= _texts(present)
    return rules


def _type(series: "Series") -> str | None:
    dtype = series.dtype
    if dtype.is_integer():
        return "integer"
    if dtype.is_numeric():
        return "number"
    name = str(dtype)
    return "boolean" if name == "Boolean" else "string" if name.startswith(("String", "Cat", "Enum")) else None


def _range(present: "Series", *, whole: bool) -> dict[str, Any]:
    values: Any = present  # what polars says of extremes is only partly typed
    low, high = _finite(values.min()), _finite(values.max())
    if low is None or high is None:
        return {}
    margin = (high - low) * MARGIN or abs(high) * MARGIN or 1.0
    least, most = low - margin, high + margin
    least = max(0.0, least) if low >= 0 else least
    most = min(0.0, most) if high <= 0 else most
    if not math.isfinite(least) or not math.isfinite(most):
        return {}
    if whole:
        return {"minimum": math.floor(least), "maximum": math.ceil(most)}
    return {"minimum": _rounded(least, math.floor), "maximum": _rounded(most, math.ceil)}


def _texts(present: "Series") -> dict[str, Any]:
    if not len(present):
        return {}
    distinct = present.unique()
    if any("\0" in str(value) for value in distinct):
        return {}  # a file cannot say it
    if len(distinct) <= MOST_CATEGORIES and len(present) >= _ROWS_PER_CATEGORY * len(distinct):
        return {"values": sorted(str(value) for value in distinct)}
    pattern = _pattern([str(value) for value in distinct.head(10_000)])
    return {} if pattern is None else {"pattern": pattern}


def _pattern(texts: Sequence[str]) -> str | None:
    """The form that all texts have: `[A-Z]{2}-[0-9]{3,6}`; None if they have none in common."""
    if len(texts) < _PATTERN_ROWS or max(map(len, texts)) > _LONGEST_ID:
        return None
    split = [_RUN.findall(text) for text in texts]
    if len({tuple(_class(run) for run in runs) for runs in split}) != 1:
        return None
    parts = [_part(runs) for runs in zip(*split, strict=True)]
    # A single word or number of any length is no form.
    return "".join(parts) if parts and sum("," in part for part in parts) < len(parts) else None


def _part(runs: Sequence[str]) -> str:
    kind, lengths = _class(runs[0]), {len(run) for run in runs}
    if kind not in ("[A-Z]", "[a-z]", "[0-9]"):
        return _SPECIAL.sub(r"\\\g<0>", runs[0])
    if len(lengths) == 1:
        return f"{kind}{{{lengths.pop()}}}"
    return f"{kind}{{{min(lengths)},{max(lengths)}}}"


def _class(run: str) -> str:
    """Of a run of characters: what they are; signs stand for themselves."""
    first = run[0]
    if "0" <= first <= "9":
        return "[0-9]"
    return "[A-Z]" if "A" <= first <= "Z" else "[a-z]" if "a" <= first <= "z" else run


def _finite(value: object) -> float | None:
    number = float(value) if isinstance(value, (int, float)) else None
    return number if number is not None and math.isfinite(number) else None


def _rounded(value: float, towards: Any) -> float:
    """To three digits or so, never inwards."""
    if value == 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 2)
    return float(f"{towards(value / unit) * unit:.6g}")


def _dumped(value: Mapping[str, Any], *, flow: bool | None) -> str:
    """`flow` as PyYAML has it: None puts what holds no lists or mappings into one line."""
    options: dict[str, Any] = {"sort_keys": False, "default_flow_style": flow, "allow_unicode": True, "width": 110}
    dump = cast(Any, yaml.dump)  # pyright: ignore[reportUnknownMemberType] - its stub leaves much open
    return str(dump(dict(value), Dumper=_Dumper, **options))


class _Dumper(yaml.SafeDumper):
    """Escapes every character that ends a line: between single quotes some are read back as something else."""


def _text_node(dumper: Any, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if _LINE_END.search(text) else None)


_Dumper.add_representer(str, _text_node)
