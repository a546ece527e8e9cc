"""The `mlflow` command that test platforms run as their registry, in an environment that is made once per machine."""

from pathlib import Path

from support.trained import python_with

MLFLOW = ("mlflow>=3.17,<4", "psycopg[binary]", "boto3", "scikit-learn", "pandas")


def mlflow_python() -> Path:
    """An interpreter with MLflow and a model library: what training code runs in."""
    return python_with(MLFLOW)


def mlflow_command() -> Path:
    """An executable for the setting `PENSTOCK_MLFLOW`."""
    return mlflow_python().with_name("mlflow")
