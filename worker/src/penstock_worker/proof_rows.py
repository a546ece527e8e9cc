"""Rows to try a model on before it serves: those of its sample, and others like them. Pure but for numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock_worker.inputs import ARRAY, COLUMNS, MATRIX, Input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock_worker.inputs import Inputs

MOST = 8
_FACTORS = (1.0, 0.5, 1.5, -1.0, 0.0, 2.0, 0.9, 1.1)


def proof_rows(inputs: Inputs, sample: Input | None, numpy: Any) -> list[Input]:
    """Inputs of one row each and of one group; none if there is nothing to make them of."""
    if sample is None:
        return _invented(inputs, numpy)
    if sample.group is None or sample.rows < 1:
        return []
    rows = [_row(sample, number) for number in range(min(sample.rows, MOST))]
    return rows + [_like(rows[0], factor, numpy) for factor in _FACTORS[len(rows) :]]


def plain_rows(rows: Sequence[Input]) -> list[Input]:
    """Without the invented ones: the sample's first row again and again, for models that do not take any number."""
    return [rows[0], rows[0], rows[0]] if rows else []


def _invented(inputs: Inputs, numpy: Any) -> list[Input]:
    matrices = inputs.matrices
    if matrices is None:
        return []
    # Whole numbers fit every column.
    values = numpy.round(numpy.random.RandomState(0).normal(scale=3.0, size=(MOST, len(matrices.names))))
    return [inputs.of_matrix(values[at : at + 1].astype(matrices.dtype)) for at in range(MOST)]


def _row(sample: Input, number: int) -> Input:
    if sample.kind == COLUMNS:
        value: Any = {name: values[number : number + 1] for name, values in sample.value.items()}
    else:
        value = sample.value[number : number + 1]
    return sample._replace(value=value, rows=1)


def _like(row: Input, factor: float, numpy: Any) -> Input:
    """`row` with its numbers changed, whole ones to whole ones."""
    if row.kind == COLUMNS:
        return row._replace(value={name: [_changed(values[0], factor)] for name, values in row.value.items()})
    if row.kind not in (MATRIX, ARRAY) or row.value.dtype.kind not in "if":
        return row
    whole = row.value == numpy.round(row.value)
    changed = numpy.where(whole, numpy.round(row.value * factor), row.value * factor)
    return row._replace(value=changed.astype(row.value.dtype))


def _changed(value: Any, factor: float) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    return round(value * factor) if isinstance(value, int) else value * factor
