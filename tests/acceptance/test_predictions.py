"""Predictions as callers see them: scripts and MLflow models answer what they answer in-process, in every form."""

import json
import re
from collections import Counter
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import psutil
import pytest
from support.callers import Caller, a_caller, an_api, write_yaml
from support.lab import deploy_lab
from support.load import Load
from support.mlflow_bodies import FORMS, NOT_UNDERSTOOD, Diabetes
from support.running import Platform, a_platform, wait_until
from support.trained import EXAMPLES, a_trained_example
from support.triton import asked_by_triton


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, environments: Path) -> Generator[Platform]:
    home = tmp_path_factory.mktemp("predictions") / "home"
    with a_platform(home, environments=environments) as platform:
        yield platform


@pytest.fixture(scope="module")
def lab(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Generator[Caller]:
    deploy_lab(platform, tmp_path_factory.mktemp("lab"))
    with a_caller(platform, "lab") as caller:
        yield caller


@pytest.fixture(scope="module")
def examples(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wine example and the MLflow example, trained and deployed."""
    folder = tmp_path_factory.mktemp("examples")
    for name in ("wine", "mlflow"):
        a_trained_example(name, folder)
    platform.run("apply", "-f", folder)
    return folder


@pytest.fixture(scope="module")
def diabetes(platform: Platform, examples: Path) -> Generator[Diabetes]:
    test = json.loads((examples / "mlflow" / "test.json").read_text())
    platform.run("online-endpoint", "update", "-n", "diabetes", "--traffic", "blue=100")
    with a_caller(platform, "diabetes") as caller:
        yield Diabetes(caller, test["data"], test["predictions"])


# What a scoring script is given, and what it may give back.


def test_a_script_gets_the_raw_body_and_its_result_comes_as_json(lab: Caller) -> None:
    for body in ("[1, 2]", "ünïcode", "", "not json {"):
        answer = lab.score(body)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == {"raw": body, "type": "str", "of": "blue"}
    assert lab.get("score?a=1&b=x").json()["raw"] == '{"a": 1, "b": "x"}'


def test_a_script_may_answer_with_a_response_of_its_own(lab: Caller) -> None:
    answer = lab.score("own")
    assert (answer.status_code, answer.text) == (201, "a,b")
    assert answer.headers["content-type"] == "text/csv"
    assert answer.headers["x-mine"] == "1"


def test_a_script_sees_the_callers_headers_but_not_the_key(lab: Caller) -> None:
    headers = lab.score("headers", x_customer="ann").json()
    assert headers["X-Customer"] == "ann"
    assert "Authorization" not in headers
    assert lab.key not in json.dumps(headers)


def test_a_script_finds_model_and_code_where_azure_puts_them(lab: Caller) -> None:
    found = lab.score("place").json()
    variables = found["variables"]
    assert re.search(r"/azureml-models/lab-blue/1$", variables["AZUREML_MODEL_DIR"])
    assert found["files"] == ["weights/layers/one.bin"]
    assert variables["AML_APP_ROOT"].endswith("/code-lab/scoring")
    assert variables["AZUREML_ENTRY_SCRIPT"] == "score.py"
    assert found["module"] == "entry_module"


def test_requests_have_ids(lab: Caller) -> None:
    kept = lab.score("", x_request_id="mine-1", x_ms_client_request_id="client-1")
    assert kept.headers["x-request-id"] == "mine-1"
    assert kept.headers["x-ms-client-request-id"] == "client-1"
    made = [lab.score("").headers["x-request-id"] for _ in range(3)]
    assert len({*made, ""}) == 4


def test_a_script_with_a_schema_refuses_what_does_not_fit_it_and_describes_itself(platform: Platform) -> None:
    platform.run("apply", "-f", EXAMPLES / "schema")
    two = ["--set", "environment_variables.WORKER_COUNT=2"]
    platform.run("online-deployment", "update", "-n", "blue", "-e", "irises", *two)
    platform.run("online-endpoint", "update", "-n", "irises", "--traffic", "blue=100")
    with a_caller(platform, "irises") as caller:
        answers = [
            caller.score(json.dumps({"data": data}), content_type="application/json")
            for data in ([[5.1, 3.5, 1.4, 0.2], [6.7, 3.1, 5.6, 2.4]], [[5.1, 3.5]])
        ]
        assert (answers[0].status_code, answers[0].json()) == (200, {"species": ["setosa", "virginica"]})
        assert answers[1].status_code == 400
        assert "expected an array of float64 of shape (any number, 4)" in answers[1].json()["message"]
        assert caller.score('{"data": [[1, 2, 3, 4]]}', content_type="text/plain").status_code == 415
        told = caller.get("swagger.json?version=3.1").json()["components"]["schemas"]
        assert told["ServiceInput"]["example"] == {"data": [[5.1, 3.5, 1.4, 0.2]]}

        # Each of the two processes answers, and one that is killed is replaced within the same instance.
        [instance] = platform.instance_pids("irises.blue")
        members = {child.pid for child in psutil.Process(instance).children()}
        assert len(members) == 2
        psutil.Process(min(members)).kill()
        wait_until(lambda: len({child.pid for child in psutil.Process(instance).children()} - {min(members)}) == 2)
        assert caller.score('{"data": [[1, 2, 3, 4]]}', content_type="application/json").status_code == 200
        assert platform.instance_pids("irises.blue") == [instance]


# How a deployment is chosen.


def test_a_caller_may_name_the_deployment_and_is_told_which_it_was(lab: Caller) -> None:
    assert lab.score("").headers["azureml-model-deployment"] == "blue"
    named = lab.score("", azureml_model_deployment="green")
    assert named.headers["azureml-model-deployment"] == "green"
    assert named.json()["of"] == "green"


def test_an_endpoint_may_be_named_by_host(lab: Caller) -> None:
    headers = {**lab.headers(), "Host": "lab.models.example:8080"}
    answer = httpx.post(f"http://127.0.0.1:{lab.port}/score", content=b"here", headers=headers, timeout=60)
    assert answer.status_code == 200
    assert answer.json()["raw"] == "here"
    other = httpx.post(
        f"http://127.0.0.1:{lab.port}/score", headers={**headers, "Host": "bal.models.example"}, timeout=60
    )
    assert other.status_code == 404


def test_an_endpoint_describes_itself(lab: Caller) -> None:
    assert "/score" in lab.get("swagger.json").json()["paths"]
    assert httpx.get(f"{lab.url}/swagger.json", timeout=60).status_code == 401


def test_traffic_is_split_as_it_is_set(platform: Platform, lab: Caller) -> None:
    platform.run("online-endpoint", "update", "-n", "lab", "--traffic", "blue=90 green=10")
    with Load(lab.port, "/endpoints/lab/score", lab.headers(), connections=8) as load:
        load.wait_for(1000)
    assert not load.failures(), load.summary()
    counted = Counter(a.deployment for a in load.answers()[:1000])
    assert counted["blue"] + counted["green"] == 1000
    assert 45 <= counted["green"] <= 155  # 100, give or take almost six standard deviations


def test_mirrored_requests_arrive_and_change_no_answer(platform: Platform, lab: Caller) -> None:
    platform.run("online-endpoint", "update", "-n", "lab", "--traffic", "blue=100", "--mirror-traffic", "dark=50")

    def arrived() -> int:
        return lab.score("seen", azureml_model_deployment="dark").json()

    before = arrived()
    answers = [lab.score(f"request {n}") for n in range(200)]
    assert [a.json() for a in answers] == [{"raw": f"request {n}", "type": "str", "of": "blue"} for n in range(200)]
    assert {a.headers["azureml-model-deployment"] for a in answers} == {"blue"}
    wait_until(lambda: arrived() - before > 60)
    assert arrived() - before < 160


# Real models.


def test_a_scikit_learn_model_predicts_what_it_predicts_in_process(platform: Platform, examples: Path) -> None:
    test = json.loads((examples / "wine" / "test.json").read_text())
    with a_caller(platform, "wine") as caller:
        for name in ("blue", "green"):
            answer = caller.score(json.dumps({"data": test["rows"]}), azureml_model_deployment=name)
            assert answer.json() == {"predictions": test["predictions"][name]}


@pytest.mark.parametrize("form", FORMS)
def test_an_mlflow_model_understands_every_form(diabetes: Diabetes, form: str) -> None:
    key, shape = FORMS[form]
    answer = diabetes.score({key: shape(diabetes.rows)})
    assert answer.status_code == 200, answer.text
    predictions = answer.json() if key == "input_data" else answer.json()["predictions"]
    assert predictions == pytest.approx(diabetes.predictions, rel=1e-12)


@pytest.mark.parametrize("what", NOT_UNDERSTOOD)
def test_an_mlflow_model_says_what_it_does_not_understand(diabetes: Diabetes, what: str) -> None:
    body, words = NOT_UNDERSTOOD[what]
    answer = diabetes.score(body)
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error"]["message"]
    assert "Traceback" not in answer.text


def test_tritons_client_and_v1_predict_through_the_gateway_as_score_does(diabetes: Diabetes) -> None:
    caller, rows = diabetes.caller, diabetes.rows["data"]
    binary, plain, refusal = asked_by_triton(caller, rows)
    assert binary == plain == pytest.approx(diabetes.predictions)
    assert "inputs lacks" in refusal
    predict = f"{caller.url}/v1/models/blue:predict"
    answer = httpx.post(predict, json={"instances": rows}, headers=caller.headers(), trust_env=False, timeout=60)
    assert answer.json()["predictions"] == pytest.approx(diabetes.predictions)
    assert httpx.get(f"{caller.url}/v2/models/blue", trust_env=False, timeout=60).status_code == 401


# Registered models and environments.


def test_models_and_environments_are_registered_and_used_by_name(platform: Platform, examples: Path) -> None:
    """Version 1 is named by its number, the newer one by @latest; the environment by name, and by a curated one."""
    for name in ("blue", "green"):
        platform.run("model", "create", "-n", "vine", "-p", examples / "wine" / "models" / name / "wine.joblib")
    conda = examples / "wine" / "environment" / "conda.yaml"
    platform.run("environment", "create", "-n", "vintage", "--version", 7, "--conda-file", conda)
    # The user's own map wins over the shipped one; this is what conda.yaml says, so nothing has to be built.
    own = {"sklearn-1.5*": {"python": ">=3.11", "packages": ["scikit-learn>=1.5,<2", "joblib>=1.3"]}}
    write_yaml(platform.home / "curated.yml", own)
    azures = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"
    chosen = {"numbered": ("azureml:vine:1", "azureml:vintage:7"), "newest": ("azureml:vine@latest", azures)}
    paths = [
        write_yaml(
            examples / "wine" / f"{name}.json",
            {
                "name": name,
                "endpoint_name": "wine",
                "model": model,
                "environment": environment,
                "code_configuration": {"code": "onlinescoring", "scoring_script": "score.py"},
            },
        )
        for name, (model, environment) in chosen.items()
    ]
    platform.run("apply", *(word for path in paths for word in ("-f", path)))
    test = json.loads((examples / "wine" / "test.json").read_text())
    with a_caller(platform, "wine") as caller, an_api(platform) as api:
        for name, trained in (("numbered", "blue"), ("newest", "green")):
            answer = caller.score(json.dumps({"data": test["rows"]}), azureml_model_deployment=name)
            assert answer.json() == {"predictions": test["predictions"][trained]}
        spec = api.get("online-endpoints/wine/deployments/newest").json()["spec"]
    assert spec["model"] == "azureml:vine:2"  # what was the latest stays what is served


# What is collected of production data.


def test_what_an_mlflow_model_is_asked_and_answers_is_collected_and_joins(
    platform: Platform, diabetes: Diabetes, tmp_path: Path
) -> None:
    before = platform.json("online-deployment", "show", "-e", "diabetes", "-n", "blue")["revision"]
    collections = {name: {"enabled": "True"} for name in ("model_inputs", "model_outputs")}
    asked = {"name": "blue", "endpoint_name": "diabetes", "data_collector": {"collections": collections}}
    write_yaml(tmp_path / "blue.yml", asked)
    shown = json.loads(platform.run("online-deployment", "update", "-f", tmp_path / "blue.yml").stdout)
    assert shown["revision"] != before

    rows = {name: diabetes.rows[name] for name in ("columns", "data")}
    ids: list[str] = []
    for start in range(0, len(rows["data"]), 2):
        answer = diabetes.score({"input_data": {**rows, "data": rows["data"][start : start + 2]}})
        ids.append(answer.headers["x-request-id"])

    def told() -> list[Mapping[str, Any]]:
        return platform.json("data-collection", "list", "-e", "diabetes", "-d", "blue")

    wait_until(lambda: [each["records"] for each in told()] == [len(ids)] * 2)
    assert [each["name"] for each in told()] == ["model_inputs", "model_outputs"]
    folder = platform.home / "collected" / "modelDataCollector" / "diabetes" / "blue"
    lines = [
        line for file in sorted(folder.glob("model_inputs/*/*/*/*/*.jsonl")) for line in file.read_text().splitlines()
    ]
    assert [json.loads(line)["correlationid"] for line in lines] == ids

    where = ("-e", "diabetes", "-d", "blue", "--from", "1h")
    platform.run("data-collection", "download", *where, "-f", tmp_path / "joined.parquet")
    joined = pl.read_parquet(tmp_path / "joined.parquet")
    assert joined.select(rows["columns"]).rows() == [tuple(row) for row in rows["data"]]
    assert joined["0"].to_list() == pytest.approx(diabetes.predictions)
    platform.run(
        "data-collection", "download", *where, "-c", "model_outputs", "--format", "jsonl", "-f", tmp_path / "o"
    )
    assert len((tmp_path / "o").read_text().splitlines()) == len(ids)
    refused = platform.run("data-collection", "download", *where, "-c", "model_output", check=False)
    assert refused.returncode != 0
    assert "nothing as 'model_output'; there are model_inputs, model_outputs" in refused.stderr
