"""The bare arithmetic of scikit-learn's models gives what scikit-learn gives, to the last bit, or is not used."""

import os
import subprocess
import textwrap
from pathlib import Path

from support.trained import REQUIREMENTS, python_with

SOURCE = Path(__file__).parent.parent / "src"

COMPARE = """
    import numpy, warnings
    from sklearn.ensemble import *
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler
    from penstock_worker.lean import is_plain, lean_function

    warnings.simplefilter("ignore")
    dice = numpy.random.RandomState(0)
    table = dice.normal(size=(400, 6)) * 10.0 ** dice.randint(-3, 4, 6)
    number = table[:, 0] * 3 + table[:, 1] + dice.normal(size=400)
    two = number > 0
    three = numpy.array(["low", "mid", "high"])[(number > -1).astype(int) + (number > 1)]
    rows = table[dice.randint(0, 400, 500)] * dice.uniform(-2, 2, (500, 6))

    known = [
        (make_pipeline(StandardScaler(), LogisticRegression()), two),
        (make_pipeline(StandardScaler(), StandardScaler(), LogisticRegression()), three),
        (LinearRegression(), number),
        (LinearRegression(), numpy.c_[number, -number]),
        (make_pipeline(StandardScaler(), Ridge()), number),
        (RandomForestClassifier(20), three),
        (RandomForestRegressor(20), number),
        (ExtraTreesClassifier(20), two),
        (make_pipeline(StandardScaler(), ExtraTreesRegressor(20)), number),
        (HistGradientBoostingClassifier(max_iter=20), two),
        (HistGradientBoostingClassifier(max_iter=20), three),
        (HistGradientBoostingRegressor(max_iter=20), number),
        (HistGradientBoostingRegressor(max_iter=20, loss="poisson"), abs(number)),
    ]
    for model, target in known:
        model.fit(table, target)
        lean = lean_function(model, numpy)
        for part in (rows, rows[:64], *(rows[at : at + 1] for at in range(50))):
            found, expected = lean(part), model.predict(part)
            assert found.dtype == expected.dtype and numpy.array_equal(found, expected), model

    class Own(LinearRegression):
        def predict(self, X):
            return super().predict(X) + 1

    for model in (Own(), make_pipeline(MinMaxScaler(), LinearRegression()), GradientBoostingRegressor()):
        assert lean_function(model.fit(table, number), numpy) is None, model
    categories = HistGradientBoostingRegressor(categorical_features=[5], max_iter=5)
    assert lean_function(categories.fit(numpy.c_[table[:, :5], dice.randint(0, 4, 400)], number), numpy) is None

    assert is_plain(rows, numpy)
    for odd in (numpy.nan, numpy.inf, -numpy.inf, 1e39):
        assert not is_plain(numpy.array([[1.0, odd]]), numpy)
"""


def test_bare_arithmetic_is_equal_to_the_last_bit_and_only_of_models_that_are_known() -> None:
    done = subprocess.run(
        [python_with(REQUIREMENTS), "-c", textwrap.dedent(COMPARE)],
        env={**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
