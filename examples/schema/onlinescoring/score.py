"""Irises by the nearest of three mean flowers: the input is an array, checked and described by a sample."""

import numpy as np
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema

NAMES = ["setosa", "versicolor", "virginica"]
# Sepal length and width, petal length and width, in cm.
CENTRES = np.array([[5.0, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.6, 2.0]])


def init():
    pass  # nothing to load


@input_schema("data", NumpyParameterType(np.array([[5.1, 3.5, 1.4, 0.2]])))
@output_schema(StandardPythonParameterType({"species": ["setosa"]}))
def run(data):
    nearest = np.linalg.norm(CENTRES[None, :, :] - data[:, None, :], axis=2).argmin(axis=1)
    return {"species": [NAMES[index] for index in nearest]}
