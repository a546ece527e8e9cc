"""What a model takes, made from the payload of a request: a table, arrays, or the value as it came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Hashable, NamedTuple

from penstock_worker.columns import DTYPES, converted
from penstock_worker.faults import Faults, FaultyInputError
from penstock_worker.guarding import Guarding, Policy
from penstock_worker.instants import instant
from penstock_worker.kinds import is_list, is_object
from penstock_worker.matrix import Matrices
from penstock_worker.payload import RECORDS_KEY, SPLIT_KEY, Payload
from penstock_worker.table import arrange, is_split, note_unknown, table_of
from penstock_worker.tensors import array_of, tensors_of
from penstock_worker.typed_rows import TypedRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock_worker.guard import Guard, Verdict
    from penstock_worker.signature import Field, Signature

MATRIX, COLUMNS, ARRAY, OTHER = "matrix", "columns", "array", "other"


class Input(NamedTuple):
    """The input of one prediction.

    `value` is, by `kind`: a matrix of shape (rows, columns) in the signature's order, all columns of which are
    numbers; the columns of a table, by the signature's names, each a list of converted values; one array with rows
    along its first axis; or anything else that goes to the model as it is. `group` is equal for inputs that may be put
    together, row below row; None where they may not.
    """

    kind: str
    value: Any
    rows: int = 1
    group: Hashable = None
    labels: list[Any] | None = None  # of the rows, where the caller gave others than their numbers
    params: dict[str, Any] | None = None


class Inputs:
    """Makes inputs for a model with `signature`. `as_it_comes`: it takes strings, lists and objects unchanged."""

    def __init__(self, signature: Signature | None, numpy: Any, pandas: Any, *, as_it_comes: bool) -> None:
        self._signature = signature
        self._numpy = numpy
        self._pandas = pandas
        self.as_it_comes = as_it_comes
        self.guarding = Guarding(Policy())
        self._names = [] if signature is None else signature.names
        self.matrices = None if as_it_comes or signature is None else Matrices.of(signature, numpy)
        self._typed = None if as_it_comes or signature is None else TypedRows.of(signature)

    def of(self, payload: Payload) -> Input:
        """The input that `payload` holds; raises `BadInputError` with all that is wrong with it."""
        matrix = None if self.matrices is None else self.matrices.read(payload)
        if matrix is not None:
            return self.of_matrix(matrix, payload.params)
        columns = None if self._typed is None else self._typed.read(payload)
        if columns is not None:
            data = Input(COLUMNS, columns, len(next(iter(columns.values()))), (COLUMNS, *columns))
        else:
            try:
                data = self._made(payload)
            except FaultyInputError as error:
                raise self.guarding.refusal(error) from None
        return data if payload.params is None else data._replace(params=payload.params, group=None)

    def judge(self, data: Input, guard: Guard, verdict: Verdict) -> None:
        """Have a table judged by a data contract; arrays and what goes to the model as it is are not."""
        if data.kind == MATRIX:
            guard.judge_matrix(data.value, self._names, self._numpy, verdict)
        elif data.kind == COLUMNS:
            names = data.value if self._names else [rule.name for rule in guard.contract.columns]
            guard.judge_columns(dict(zip(names, data.value.values())), verdict)  # noqa: B905 - Python 3.9

    def of_matrix(self, matrix: Any, params: dict[str, Any] | None = None) -> Input:
        return Input(MATRIX, matrix, len(matrix), MATRIX if params is None else None, params=params)

    def of_arrays(self, value: Any, signature: Signature) -> Input:
        """The input of a model with tensors: an array, or a dict of arrays."""
        first = signature.fields[0].shape
        if is_object(value) or not first or first[0] != -1 or not value.shape:
            return Input(OTHER, value)
        return Input(ARRAY, value, len(value), (ARRAY, value.dtype.str, value.shape[1:]))

    def of_columns(
        self, columns: dict[Any, list[Any]], rows: int, signature: Signature, labels: list[Any] | None = None
    ) -> Input:
        """The input of columns by the signature's names, whose values are converted."""
        group = None if labels is not None or signature.nested else (COLUMNS, *columns)
        return Input(COLUMNS, columns, rows, group, labels)

    def instant(self, text: str) -> Any:
        """The time that `text` spells, in UTC and without a zone; raises ValueError."""
        return instant(text, self._pandas)

    def joined(self, inputs: Sequence[Input]) -> Input:
        """Inputs of one group as one, row below row."""
        first, rows = inputs[0], sum(each.rows for each in inputs)
        if first.kind == COLUMNS:
            names = list(first.value)
            value: Any = {name: [item for each in inputs for item in each.value[name]] for name in names}
        else:
            value = self._numpy.concatenate([each.value for each in inputs])
        return first._replace(value=value, rows=rows)

    def frame(self, data: Input) -> Any:
        """The DataFrame of an input of kind MATRIX or COLUMNS."""
        fields = self._signature.fields if self._signature is not None else ()
        if data.kind == MATRIX:
            return self._frame_of_matrix(data.value, fields)
        by_name = {key_of(field, place): field for place, field in enumerate(fields)}
        columns = {name: self._column(by_name[name], values) for name, values in data.value.items()}
        return self._pandas.DataFrame(columns, index=data.labels)

    def _made(self, payload: Payload) -> Input:
        if self.as_it_comes and payload.key not in (SPLIT_KEY, RECORDS_KEY):
            return Input(OTHER, payload.data)
        if self._signature is None:
            return self._unsigned(payload)
        if self._signature.tensors:
            return self._tensors(payload, self._signature)
        return self._columns(payload, self._signature)

    def _unsigned(self, payload: Payload) -> Input:
        key, data = payload.key, payload.data
        if key in (SPLIT_KEY, RECORDS_KEY) or is_split(data) or _is_records(data):
            faults = Faults()
            table = table_of(payload, None, faults)
            faults.check()
            names = range(len(table.columns)) if table.names is None else table.names
            frame = self._pandas.DataFrame(dict(enumerate(table.columns)), index=table.index)
            return Input(OTHER, frame.set_axis(list(names), axis=1), table.rows)
        if is_object(data):
            return Input(OTHER, {name: array_of(f"{key}.{name}", value, self._numpy) for name, value in data.items()})
        return Input(OTHER, array_of(key, data, self._numpy) if is_list(data) else data)

    def _tensors(self, payload: Payload, signature: Signature) -> Input:
        return self.of_arrays(tensors_of(payload, signature, self._numpy), signature)

    def _columns(self, payload: Payload, signature: Signature) -> Input:
        faults = Faults()
        table = table_of(payload, signature, faults)
        columns: dict[Any, list[Any]] = {}
        for place, values in enumerate(arrange(table, signature.fields, payload.key, faults)):
            field = signature.fields[place]
            if values is not None:
                name = key_of(field, place)
                columns[name] = converted(field, name, values, self.instant, faults, table.numbers)
        if self.guarding.policy.refuse_unknown and signature.named and not faults.count:
            note_unknown(table.names or (), signature.fields, faults)
        if faults.count:
            raise _with_columns(FaultyInputError(faults), columns, table.numbers)
        labels = None if table.index is None or table.index == list(range(table.rows)) else table.index
        return self.of_columns(columns, table.rows, signature, labels)

    def _frame_of_matrix(self, matrix: Any, fields: Sequence[Field]) -> Any:
        names = [key_of(field, place) for place, field in enumerate(fields)]
        dtypes = [DTYPES[field.type] for field in fields]
        if len(set(dtypes)) == 1 and dtypes[0] == matrix.dtype.name:
            return self._pandas.DataFrame(matrix, columns=names)
        columns = {name: matrix[:, place].astype(dtypes[place]) for place, name in enumerate(names)}
        return self._pandas.DataFrame(columns)

    def _column(self, field: Field, values: list[Any]) -> Any:
        if field.type == "datetime":
            return self._numpy.array(values, dtype="datetime64[ns]")
        if field.type in DTYPES and None not in values:
            return self._numpy.array(values, dtype=DTYPES[field.type])
        column = self._numpy.empty(len(values), dtype=object)
        column[:] = values
        return column


def key_of(field: Field, place: int) -> Any:
    return place if field.name is None else field.name


def _with_columns(
    error: FaultyInputError, columns: dict[Any, list[Any]], numbers: list[int] | None
) -> FaultyInputError:
    error.columns, error.rows = columns, numbers
    return error


def _is_records(data: Any) -> bool:
    return is_list(data) and bool(data) and all(is_object(row) for row in data)
