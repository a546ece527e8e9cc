"""The ways to a model's predictions, and the proof at load that a shorter one gives what MLflow's own gives.

MLflow's pyfunc checks its input against the signature once more and builds tables that many models take apart again.
What is read here has been checked already, so that the shorter ways differ in speed alone; that they do is not taken
on trust: each is tried on sample rows beside pyfunc, and dropped if one value differs.
"""

from __future__ import annotations

import warnings
from time import monotonic
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from penstock_worker.equality import equal_results
from penstock_worker.inputs import ARRAY, COLUMNS, MATRIX, Input
from penstock_worker.lean import is_plain, lean_function
from penstock_worker.logs import log
from penstock_worker.trace import summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock_worker.inputs import Inputs

_LEAN_ROWS = 256
_PROOF_SECONDS = 2.0  # no more rows are tried after this; two are in any case
_NO_NAMES = "X does not have valid feature names"  # scikit-learn's warning for arrays where there were tables


class Proof(NamedTuple):
    """What has been shown. `notice` is a sentence for the author where something has not."""

    batches: bool
    way: str
    notice: str = ""


class Predictor:
    """Predicts for inputs in the shortest proven way; before `prove`, in MLflow's own."""

    def __init__(self, pyfunc: Any, inputs: Inputs, numpy: Any) -> None:
        self._pyfunc = pyfunc
        self._inputs = inputs
        self._numpy = numpy
        self._of_frame: Callable[[Any], Any] | None = None
        self._of_matrix: Callable[[Any], Any] | None = None
        self.proven_result: Any = None

    def predict(self, data: Input) -> Any:
        """What the model returns for `data`; raises whatever it raises."""
        if data.params is None:
            if data.kind == MATRIX and self._of_matrix is not None:
                return self._of_matrix(data.value)
            if data.kind in (MATRIX, COLUMNS) and self._of_frame is not None:
                return self._of_frame(self._inputs.frame(data))
        return self._exactly(data)

    def prove(self, rows: Sequence[Input], *, shorter: bool) -> Proof:
        """Find out on `rows`, inputs of one group, whether batches may be made, and which way is the shortest.

        1. Each row alone and all of them together, in MLflow's way: equal row for row, or no batches.
        2. With `shorter`, the flavour's own function on the same table, then the model's on a plain matrix, then its
           bare arithmetic.
        """
        if len(rows) < 2 or rows[0].group is None:
            return Proof(False, "pyfunc", "requests are not batched: there are no sample rows to try that on")
        try:
            alone = self._alone(rows)
            together = self._inputs.joined(rows[: len(alone)])
            whole = self.proven_result = self._exactly(together)
        except Exception as error:  # noqa: BLE001 - the user's model on rows that nobody has promised it takes
            return Proof(False, "pyfunc", f"requests are not batched: the sample rows failed ({summary(error)})")
        batches = self._rows_match(alone, whole)
        way = self._shortest(rows[0], alone[0], together, whole) if shorter else "pyfunc"
        notice = "" if batches else "requests are not batched: the model answers rows together otherwise than alone"
        return Proof(batches, way, notice)

    def split(self, result: Any, sizes: Sequence[int]) -> list[Any]:
        """The parts of a batch's result; raises ValueError if it has not one row for each of the input's."""
        if sum(sizes) != len(result):
            raise ValueError(f"{sum(sizes)} rows were given, {len(result)} came back")
        if isinstance(result, self._numpy.ndarray):
            sliced: Any = result.tolist() if result.dtype.kind in "biufU" else result
        else:
            sliced = getattr(result, "iloc", result)
        parts: list[Any] = []
        start = 0
        for size in sizes:
            parts.append(sliced[start : start + size])
            start += size
        return parts

    def _exactly(self, data: Input) -> Any:
        value = self._inputs.frame(data) if data.kind in (MATRIX, COLUMNS) else data.value
        return self._pyfunc.predict(value, params=data.params)

    def _alone(self, rows: Sequence[Input]) -> list[Any]:
        until = monotonic() + _PROOF_SECONDS
        results: list[Any] = []
        for row in rows:
            if len(results) >= 2 and monotonic() > until:
                break
            results.append(self._exactly(row))
        return results

    def _rows_match(self, alone: Sequence[Any], whole: Any) -> bool:
        try:
            parts = self.split(whole, [1] * len(alone))
            return all(self._equal(part, single) for part, single in zip(parts, alone))  # noqa: B905 - Python 3.9
        except Exception:  # noqa: BLE001 - results that have no rows, or cannot be compared
            return False

    def _shortest(self, row: Input, single: Any, together: Input, whole: Any) -> str:
        if together.kind == ARRAY:
            return "pyfunc"
        own = getattr(self._pyfunc, "_predict_fn", None)
        if own is not None and self._gives(lambda data: own(self._inputs.frame(data)), row, single, together, whole):
            self._of_frame = own
        function = None if together.kind != MATRIX else _matrix_function(self._pyfunc)
        if function is None:
            return "pyfunc" if self._of_frame is None else "frame"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not self._gives(lambda data: function(data.value), row, single, together, whole):
                return "pyfunc" if self._of_frame is None else "frame"
        warnings.filterwarnings("ignore", message=_NO_NAMES)
        lean = self._lean(function, together.value)
        self._of_matrix = lean or function
        return "matrix" if lean is None else "arithmetic"

    def _lean(self, function: Callable[[Any], Any], matrix: Any) -> Callable[[Any], Any] | None:
        """The model's bare arithmetic, if what it gives is equal to the last bit for rows of all sorts."""
        numpy = self._numpy
        implementation = getattr(self._pyfunc, "_model_impl", None)
        model = getattr(implementation, "sklearn_model", None)
        try:
            lean = None if model is None else lean_function(model, numpy)
            if lean is None:
                return None
            dice = numpy.random.RandomState(0)
            rows = matrix[dice.randint(0, len(matrix), _LEAN_ROWS)] * dice.uniform(-2, 2, (_LEAN_ROWS, matrix.shape[1]))
            rows = rows.astype(matrix.dtype)
            for part in (rows, matrix, *(rows[at : at + 1] for at in range(8))):
                found, expected = lean(part), function(part)
                if found.dtype != expected.dtype or not numpy.array_equal(found, expected):
                    return None
        except Exception as error:  # noqa: BLE001 - another version of scikit-learn than those known
            log.info("the model's bare arithmetic is not used: %s", summary(error))
            return None
        return lambda matrix: lean(matrix) if is_plain(matrix, numpy) else function(matrix)

    def _equal(self, found: Any, expected: Any) -> bool:
        return equal_results(found, expected, self._numpy)

    def _gives(self, way: Callable[[Input], Any], row: Input, single: Any, together: Input, whole: Any) -> bool:
        try:
            return self._equal(way(together), whole) and self._equal(way(row), single)
        except Exception as error:  # noqa: BLE001 - a way that is not open to this model
            log.info("a shorter way to predictions is not taken: %s", summary(error))
            return False


def _matrix_function(pyfunc: Any) -> Callable[[Any], Any] | None:
    """The model's own function of a matrix, where its flavour is known to have one."""
    implementation = getattr(pyfunc, "_model_impl", None)
    own = getattr(implementation, "predict_array", None)  # of versions that `penstock model compile` has made
    if own is not None:
        return own
    for name in ("sklearn_model", "lgb_model", "xgb_model"):
        model = getattr(implementation, name, None)
        if model is not None:
            return getattr(model, getattr(implementation, "predict_fn", None) or "predict", None)
    return None
