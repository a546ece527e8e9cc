"""Models of MLflow of many kinds, with rows and what is expected for them."""

import textwrap
from pathlib import Path

from support.trained import REQUIREMENTS, made_by


def mlflow_models() -> Path:
    """A folder with all of them, for reading only."""
    return made_by(textwrap.dedent(_TRAIN), REQUIREMENTS)


# Trains the models that the tests serve, one folder each.
_TRAIN = """
    import datetime
    from pathlib import Path
    import mlflow, numpy as np, pandas as pd
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
    from mlflow.types.schema import Array
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import LinearRegression

    root = Path.cwd()

    class Echo(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            if isinstance(model_input, pd.DataFrame):
                shown = model_input.copy()
                shown["dtypes"] = " ".join(map(str, model_input.dtypes))
                shown["params"] = str(sorted((params or {}).items()))
                if "fail" in model_input and model_input["fail"].iloc[0] == 1:
                    raise ValueError("the model itself failed")
                return shown
            if isinstance(model_input, dict):
                return {name: [str(value.dtype), *value.shape] for name, value in model_input.items()}
            return np.asarray(model_input) * 2

    def echo(name, inputs, params=None):
        signature = ModelSignature(inputs=inputs, params=params) if inputs or params else None
        mlflow.pyfunc.save_model(root / name, python_model=Echo(), signature=signature, pip_requirements=[])

    data = load_diabetes(as_frame=True)
    regression = LinearRegression().fit(data.data, data.target)
    mlflow.sklearn.save_model(
        regression, root / "diabetes", signature=infer_signature(data.data, regression.predict(data.data)),
        pip_requirements=[], serialization_format="cloudpickle", input_example=data.data.head(2),
    )
    data.data.head(5).to_json(root / "rows.json", orient="split")
    (root / "expected.json").write_text(str(regression.predict(data.data.head(5)).tolist()))

    echo("columns", Schema([
        ColSpec("double", "d"), ColSpec("float", "f"), ColSpec("long", "l"), ColSpec("integer", "i"),
        ColSpec("boolean", "b"), ColSpec("string", "s"), ColSpec("datetime", "t"),
        ColSpec("string", "o", required=False),
    ]))
    echo("failing", Schema([ColSpec("long", "fail")]),
         ParamSchema([ParamSpec("temperature", DataType.double, 0.5)]))
    echo("lists", Schema([ColSpec(Array(DataType.double), "v")]))
    echo("tensor", Schema([TensorSpec(np.dtype("float32"), (-1, 2))]))
    echo("tensors", Schema([TensorSpec(np.dtype("float64"), (-1, 2), "a"), TensorSpec(np.dtype("int64"), (-1,), "b")]))
    echo("unsigned", None)

    class Together(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return (model_input["x"] - model_input["x"].mean()).to_numpy()

    class Strict(LinearRegression):
        def predict(self, table):
            offset = 0.0 if isinstance(table, pd.DataFrame) else 1.0
            return super().predict(table) + offset

    mlflow.sklearn.save_model(
        Strict().fit(data.data, data.target), root / "strict", pip_requirements=[],
        signature=infer_signature(data.data, regression.predict(data.data)), serialization_format="cloudpickle",
    )

    inputs = Schema([ColSpec("double", "x")])
    mlflow.pyfunc.save_model(
        root / "together", python_model=Together(), signature=ModelSignature(inputs=inputs), pip_requirements=[]
    )
"""
