"""The arithmetic of common scikit-learn models without what they check and convert around it for each call.

A scaler and a logistic regression need some ten microseconds for a row; scikit-learn takes two hundred to find out what
it was given, and a forest asks each of its trees through two layers of Python. Here the same operations are made in the
same order, so that results are equal to the last bit; `Predictor.prove` shows on sample rows that they are, or drops
this way. What scikit-learn refuses, NaN and infinities, is left to it (`is_plain`).

Formulas: scikit-learn 1.3 to 1.9, `_data.py` (StandardScaler.transform), `_base.py` (LinearClassifierMixin.predict,
LinearModel.predict), `_forest.py` (ForestClassifier.predict, ForestRegressor.predict), `gradient_boosting.py`
(BaseHistGradientBoosting._raw_predict).
"""

from __future__ import annotations

from typing import Any, Callable, Optional

Function = Callable[[Any], Any]

_LARGEST = 3.4e38


def lean_function(model: Any, numpy: Any) -> Function | None:
    """`model.predict` for matrices, or None where the model is not one of those known here."""
    steps = [step for _, step in model.steps] if _kind(model) == "sklearn.pipeline.Pipeline" else [model]
    transforms = [_transform(step) for step in steps[:-1]]
    final = _final(steps[-1], numpy)
    if final is None or None in transforms:
        return None
    known = [transform for transform in transforms if transform is not None]

    def predict(matrix: Any) -> Any:
        for transform in known:
            matrix = transform(matrix)
        return final(matrix)

    return predict if known else final


def is_plain(matrix: Any, numpy: Any) -> bool:
    """True if all numbers are finite, in float32 too, which forests convert to."""
    return bool(numpy.abs(matrix).max() < _LARGEST)


def _kind(model: Any) -> str:
    # The very class: one that is derived from it may do anything.
    return f"{type(model).__module__}.{type(model).__qualname__}"


def _transform(step: Any) -> Function | None:
    if _kind(step) != "sklearn.preprocessing._data.StandardScaler" or not (step.with_mean and step.with_std):
        return None
    mean, scale = step.mean_, step.scale_
    return lambda matrix: (matrix - mean) / scale


def _final(model: Any, numpy: Any) -> Function | None:
    make = _FINALS.get(_kind(model))
    return None if make is None else make(model, numpy)


def _linear_classifier(model: Any, numpy: Any) -> Function | None:
    weights, intercept, classes = model.coef_.T, model.intercept_, model.classes_
    if weights.shape[1] == 1:
        return lambda matrix: classes[((matrix @ weights + intercept).reshape(-1) > 0).astype(int)]
    return lambda matrix: classes[(matrix @ weights + intercept).argmax(axis=1)]


def _linear_regressor(model: Any, _numpy: Any) -> Function | None:
    weights = model.coef_ if model.coef_.ndim == 1 else model.coef_.T
    intercept = model.intercept_
    return lambda matrix: matrix @ weights + intercept


def _forest_classifier(model: Any, numpy: Any) -> Function | None:
    if model.n_outputs_ != 1:
        return None
    trees, classes = [each.tree_.predict for each in model.estimators_], model.classes_
    width, count = len(classes), len(trees)

    def predict(matrix: Any) -> Any:
        matrix = matrix.astype(numpy.float32)
        shares = numpy.zeros((len(matrix), width))
        for tree in trees:
            shares += tree(matrix)
        shares /= count
        return classes.take(shares.argmax(axis=1), axis=0)

    return predict


def _forest_regressor(model: Any, numpy: Any) -> Function | None:
    if model.n_outputs_ != 1:
        return None
    trees = [each.tree_.predict for each in model.estimators_]
    count = len(trees)

    def predict(matrix: Any) -> Any:
        matrix = matrix.astype(numpy.float32)
        total = numpy.zeros(len(matrix))
        for tree in trees:
            total += tree(matrix)[:, 0]
        total /= count
        return total

    return predict


def _boosting_sums(model: Any, numpy: Any) -> Function | None:
    """The sums of the leaves, of shape (rows, trees of one iteration)."""
    if model.is_categorical_ is not None or getattr(model, "_preprocessor", None) is not None:
        return None
    bitsets, places = model._bin_mapper.make_known_categories_bitsets()
    trees = [(at, tree.predict) for iteration in model._predictors for at, tree in enumerate(iteration)]
    baseline, width = model._baseline_prediction, model.n_trees_per_iteration_

    def sums(matrix: Any) -> Any:
        raw = numpy.zeros((len(matrix), width), dtype=baseline.dtype, order="F")
        raw += baseline
        columns = [raw[:, at] for at in range(width)]
        for at, tree in trees:
            columns[at] += tree(matrix, bitsets, places, 1)
        return raw

    return sums


def _boosting_classifier(model: Any, numpy: Any) -> Function | None:
    sums, classes = _boosting_sums(model, numpy), model.classes_
    if sums is None:
        return None
    if model.n_trees_per_iteration_ == 1:
        return lambda matrix: classes[(sums(matrix).ravel() > 0).astype(int)]
    return lambda matrix: classes[sums(matrix).argmax(axis=1)]


def _boosting_regressor(model: Any, numpy: Any) -> Function | None:
    sums, inverse = _boosting_sums(model, numpy), model._loss.link.inverse
    return None if sums is None else lambda matrix: inverse(sums(matrix).ravel())


_BOOSTING = "sklearn.ensemble._hist_gradient_boosting.gradient_boosting"
_FINALS: dict[str, Callable[[Any, Any], Optional[Function]]] = {
    "sklearn.linear_model._logistic.LogisticRegression": _linear_classifier,
    "sklearn.linear_model._base.LinearRegression": _linear_regressor,
    "sklearn.linear_model._ridge.Ridge": _linear_regressor,
    "sklearn.ensemble._forest.RandomForestClassifier": _forest_classifier,
    "sklearn.ensemble._forest.ExtraTreesClassifier": _forest_classifier,
    "sklearn.ensemble._forest.RandomForestRegressor": _forest_regressor,
    "sklearn.ensemble._forest.ExtraTreesRegressor": _forest_regressor,
    f"{_BOOSTING}.HistGradientBoostingClassifier": _boosting_classifier,
    f"{_BOOSTING}.HistGradientBoostingRegressor": _boosting_regressor,
}
