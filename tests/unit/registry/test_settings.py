"""What the MLflow server is given for the stores that users name."""

from pathlib import Path

import pytest

from penstock.registry.settings import MlflowSettings


def settings(
    database_url: str | None = None, artifacts: str | None = None, environ: dict[str, str] | None = None
) -> MlflowSettings:
    return MlflowSettings(
        folder=Path("/home/me/.penstock/mlflow"),
        run_folder=Path("/run/p"),
        log=Path("/home/me/.penstock/logs/mlflow.log"),
        log_bytes=2**20,
        database_url=database_url,
        artifacts=artifacts,
        environ=environ or {},
    )


def stores(wanted: MlflowSettings) -> tuple[str, str]:
    given = wanted.environment()
    return given["MLFLOW_BACKEND_STORE_URI"], given["MLFLOW_ARTIFACTS_DESTINATION"]


def test_without_settings_everything_lies_in_its_folder() -> None:
    assert stores(settings()) == (
        "sqlite:////home/me/.penstock/mlflow/mlflow.db",
        "/home/me/.penstock/mlflow/artifacts",
    )
    assert settings().requirements() == ("mlflow>=3.17,<4",)


@pytest.mark.parametrize("url", ["postgresql://u:p@h/d", "postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"])
def test_postgresql_comes_with_the_driver_that_is_installed(url: str) -> None:
    wanted = settings(database_url=url)
    assert stores(wanted)[0] == "postgresql+psycopg://u:p@h/d"
    assert "psycopg[binary]>=3.2" in wanted.requirements()


@pytest.mark.parametrize(
    ("artifacts", "destination", "package"),
    [
        ("s3://b/p", "s3://b/p", "boto3"),
        ("gs://b/p", "gs://b/p", "google-cloud-storage"),
        ("wasbs://c@a.blob.core.windows.net/p", "wasbs://c@a.blob.core.windows.net/p", "azure-storage-blob"),
        ("abfs://f@a.dfs.core.windows.net/p", "abfss://f@a.dfs.core.windows.net/p", "azure-storage-file-datalake"),
        ("abfss://f@a.dfs.core.windows.net/p", "abfss://f@a.dfs.core.windows.net/p", "azure-storage-file-datalake"),
    ],
)
def test_cloud_stores_come_with_their_packages(artifacts: str, destination: str, package: str) -> None:
    wanted = settings(artifacts=artifacts)
    assert stores(wanted)[1] == destination
    assert package in wanted.requirements()


def test_no_secret_is_in_the_arguments_or_in_what_is_told() -> None:
    wanted = settings(database_url="postgresql://me:s3cr%2Ft@host/db", environ={"AWS_SECRET_ACCESS_KEY": "geheim"})
    assert "s3cr" not in " ".join((*wanted.arguments(), wanted.name, repr(wanted)))
    assert "geheim" not in repr(wanted)
    assert wanted.without_secrets("no 's3cr/t' for s3cr%2Ft") == "no '***' for ***"


def test_it_sees_what_its_stores_need_of_the_environment_and_no_more() -> None:
    passed = {"PATH": "/bin", "https_proxy": "http://p", "AWS_PROFILE": "x", "MLFLOW_S3_ENDPOINT_URL": "http://s"}
    held_back = {"PENSTOCK_TOKEN": "t", "MLFLOW_TRACKING_URI": "http://x", "PYTHONPATH": "/x", "UVICORN_UDS": "y"}
    given = settings(environ={**passed, **held_back}).environment()
    assert passed.items() <= given.items()
    assert not held_back.keys() & given.keys()


def test_a_server_with_other_stores_has_another_name() -> None:
    other = settings(artifacts="s3://bucket")
    assert settings().name != other.name
    assert settings().name == settings().name
    one, two = (settings(database_url=f"postgresql://me:{password}@h/d").name for password in ("old", "new"))
    assert one == two
