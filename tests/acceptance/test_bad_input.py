"""Whatever is wrong with what users give gets a clear answer, and nothing else is disturbed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.bystander import Bystander
from support.callers import Caller, a_caller, an_api, at_once
from support.running import ECHO, Platform, write_deployment
from support.trained import MODEL_PACKAGES

pytestmark = pytest.mark.usefixtures("steady", "dawdlers")

IMPATIENT = {"liveness_probe": {"initial_delay": 1, "period": 1, "failure_threshold": 2}}
SMALL = {"resources": {"limits": {"memory": "200Mi"}}}
SERVING = ("raising", "stuck")  # deployments that served well before they were changed for the worse


@pytest.fixture(scope="module")
def platform(harassed: Platform) -> Platform:
    return harassed


# What is wrong in a file or on the command line.


def test_all_faults_of_a_file_are_named_at_once(platform: Platform, tmp_path: Path) -> None:
    extra = {
        "instance_cuont": 2,
        "request_settings": {"request_timeout": 10, "max_concurrent_requests_per_instance": 0},
        "environment_variables": [1],
        "resources": {"limits": {"memroy": "1Gi"}},
    }
    said = refused(
        platform, "online-deployment", "create", "-f", write_deployment(tmp_path, "rough", "bad", extra=extra)
    )
    for sentence in (
        "unknown field 'instance_cuont' (did you mean 'instance_count'?)",
        "unknown field 'request_settings.request_timeout' (did you mean 'request_timeout_ms'?)",
        "field 'request_settings.max_concurrent_requests_per_instance': input should be greater than or equal to 1",
        "unknown field 'resources.limits.memroy' (did you mean 'memory'?)",
        "field 'environment_variables': input should be a valid dictionary",
    ):
        assert sentence in said


MISSING: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "code": ({"code_configuration": {"code": "./nowhere", "scoring_script": "s.py"}}, ("code_configuration.code",)),
    "scoring script": (
        {"code_configuration": {"code": "./code-bad", "scoring_script": "nowhere.py"}},
        ("scoring_script 'nowhere.py' is not in the code folder 'code-bad'", "there are: score.py"),
    ),
    "model": ({"model": {"path": "./nowhere"}}, ("model.path",)),
    "conda file": ({"environment": {"conda_file": "nowhere.yml"}}, ("conda_file",)),
    "registered environment": ({"environment": "azureml:nowhere:3"}, ("environment", "nowhere")),
}


def test_what_is_missing_is_named_with_its_field(platform: Platform, tmp_path: Path) -> None:
    paths = [
        write_deployment(tmp_path / f"{n}", "rough", "bad", extra=extra)
        for n, (extra, _) in enumerate(MISSING.values())
    ]
    said = at_once(platform, *(("online-deployment", "create", "-f", path) for path in paths))
    for what, done in zip(MISSING, said, strict=True):
        assert done.returncode in (2, 3), (what, done.stderr)
        for word in (*MISSING[what][1], "nowhere", "bad"):
            assert word in done.stderr, what


def test_conda_packages_are_refused_by_name_with_the_remedy(platform: Platform, tmp_path: Path) -> None:
    conda = {"dependencies": ["python=3.11", "numpy=1.26", "libgdal", {"pip": ["joblib"]}]}
    path = write_deployment(tmp_path, "rough", "bad", extra={"environment": {"conda_file": conda}})
    said = refused(platform, "online-deployment", "create", "-f", path)
    assert "libgdal" in said
    assert "pip section" in said
    assert "numpy=1.26" not in said


def test_names_that_cannot_be_are_refused_by_command_and_api(platform: Platform) -> None:
    names = ["modèle", "x" * 33, "ab", "1st", "a/b", "../etc"]
    said = at_once(platform, *(("online-endpoint", "create", "-n", name) for name in names[:2]))
    for name, done in zip(names, said, strict=False):
        assert done.returncode == 2
        assert f"endpoint name {name!r}" in done.stderr
    with an_api(platform) as api:
        for name in names:
            answer = api.put(f"online-endpoints/{name}", json={})
            assert answer.status_code in (400, 404, 405), answer.text
            assert answer.json()["error"]["message"]
        assert [e["name"] for e in api.get("online-endpoints").json()["items"]] == ["doomed", "rough", "steady"]


def test_traffic_that_cannot_be_is_refused(platform: Platform) -> None:
    update = ("online-endpoint", "update", "-n", "rough", "--traffic")
    short, strange = at_once(platform, (*update, "blue=80 narrow=10"), (*update, "blue=80 gren=20"))
    assert (short.returncode, strange.returncode) == (2, 2)
    assert "traffic sums to 90: it must sum to 0 or 100" in short.stderr
    assert "deployment 'gren', which does not exist (there are: blue, narrow)" in strange.stderr


def test_a_deployment_with_traffic_is_not_deleted(platform: Platform, rough: Caller) -> None:
    said = refused(platform, "online-deployment", "delete", "-n", "blue", "-e", "rough", "--yes", code=4)
    assert "takes 100 % of the traffic of endpoint 'rough'" in said
    assert "penstock online-endpoint update" in said
    assert rough.score().status_code == 200


# What is wrong with what is sent to the API.


def test_of_two_who_edit_at_once_the_second_is_told_what_the_first_changed(platform: Platform) -> None:
    with an_api(platform, X_Penstock_Actor="ann@desk") as ann, an_api(platform, X_Penstock_Actor="bob@sofa") as bob:
        read = ann.get("online-endpoints/doomed").json()
        seen = {"If-Match": str(read["generation"])}
        first = ann.put("online-endpoints/doomed", json={"description": "of ann"}, headers=seen)
        assert first.status_code == 200
        second = bob.put("online-endpoints/doomed", json={"description": "of bob"}, headers=seen)
        assert second.status_code == 409
        error = second.json()["error"]
        assert "changed by ann@desk" in error["message"]
        assert "description" in error["message"]
        assert error["details"]["changed_by"] == "ann@desk"
        assert bob.get("online-endpoints/doomed").json()["spec"]["description"] == "of ann"


@pytest.mark.parametrize(
    "body", [b'{"tags": {', b"[1, 2]", b'"text"', b"\xff\xfe", b"[" * 100_000, b"", b'{"tags": {"a": NaN}, "x": 1}']
)
def test_a_broken_body_to_the_api_is_a_400(platform: Platform, body: bytes) -> None:
    with an_api(platform) as api:
        answer = api.put("online-endpoints/rough", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["code"] == "invalid"
        assert "Traceback" not in answer.text


# Deployments that cannot start.


@dataclass(frozen=True)
class Doomed:
    """A deployment that cannot start, and how that must be said."""

    reason: str
    words: tuple[str, ...]
    script: str = ECHO
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])


def initialising(line: str) -> str:
    return ECHO.replace("pass", line)


UNPICKLING = initialising('import pickle; pickle.load(open(os.environ["AZUREML_MODEL_DIR"] + "/model.pkl", "rb"))')
DOOMED = {
    "raising": Doomed(
        "UserScriptInitFailed",
        ("ValueError: no weights", '/score.py", line 5, in init', "the version before goes on serving"),
        initialising('raise ValueError("no weights")'),
    ),
    "stuck": Doomed(
        "StartTimeout",
        ("did not load within 3 s", "the version before goes on serving"),
        initialising("import time; time.sleep(600)"),
        IMPATIENT,
    ),
    "importing": Doomed(
        "UserScriptImportError", ("No module named 'nowhere'", '/score.py", line 1'), "import nowhere\n" + ECHO
    ),
    "runless": Doomed("UserScriptFunctionNotFound", ("score.py defines no function run()",), "def init(): pass\n"),
    "greedy": Doomed(
        "MemoryLimitExceeded",
        ("209,715,200 bytes", '/score.py", line 5, in init'),
        initialising("bytearray(400_000_000)"),
        SMALL,
    ),
    "pickled": Doomed(
        "UserScriptInitFailed", ("UnpicklingError", "/score.py"), UNPICKLING, {"model": {"path": "./model.pkl"}}
    ),
    "mlflow": Doomed(
        "ModelLoadFailed", ("UnpicklingError",), "", {"model": {"path": "./corrupt"}, "code_configuration": None}
    ),
    "clash": Doomed(
        "BuildFailed",
        ("penstock-worker", "httptools==0.4.0", "httptools>=0.5"),
        extra={"environment": {"requirements": ["httptools==0.4.0"]}},
    ),
    "unknown": Doomed(
        "BuildFailed",
        ("there is no package 'penstock-of-nowhere'",),
        extra={"environment": {"requirements": ["penstock-of-nowhere"]}},
    ),
}


@pytest.fixture(scope="module")
def doomed(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Mapping[str, Any]]:
    """What one `apply` of all of them said, and the deployments by name."""
    folder = tmp_path_factory.mktemp("doomed")
    (folder / "model.pkl").write_bytes(b"\x80\x05 this is no pickle")
    write_corrupt_mlflow_model(folder / "corrupt")
    for name, each in DOOMED.items():
        write_deployment(folder, "doomed", name, script=each.script, extra=each.extra)
    done = platform.run("apply", "-f", folder, check=False)
    assert done.returncode == 1, done.stderr
    with an_api(platform) as api:
        items = api.get("online-endpoints/doomed/deployments").json()["items"]
    return done.stderr, {item["name"].partition("/")[2]: item for item in items}


@pytest.mark.parametrize("name", DOOMED)
def test_a_deployment_that_cannot_start_says_why(doomed: tuple[str, Mapping[str, Any]], name: str) -> None:
    said, deployments = doomed
    paragraph = next(p for p in re.split("(?m)^error: ", said) if p.startswith(f"online deployment 'doomed/{name}'"))
    for word in DOOMED[name].words:
        assert word in paragraph
    assert f"next: penstock online-deployment get-logs -n {name} -e doomed" in paragraph
    deployment = deployments[name]
    assert deployment["provisioning_state"] == "Failed"
    ready = next(c for c in deployment["status"]["conditions"] if c["name"] == "Ready")
    assert ready["reason"] == DOOMED[name].reason


@pytest.mark.usefixtures("doomed")
def test_a_change_that_cannot_start_leaves_the_old_version_serving(platform: Platform) -> None:
    with a_caller(platform, "doomed") as caller:
        for name in SERVING:
            assert caller.score(azureml_model_deployment=name).json()["version"] == "old"
        for name in DOOMED.keys() - set(SERVING):
            answer = caller.score(azureml_model_deployment=name)
            assert answer.status_code == 503, (name, answer.text)
    assert len(platform.instance_pids("doomed.stuck")) == 1


def test_after_all_this_nothing_else_was_disturbed(steady: Bystander, platform: Platform) -> None:
    steady.check(platform)


def refused(platform: Platform, *arguments: object, code: int = 2) -> str:
    """What a command that must fail with this exit code said."""
    done = platform.run(*arguments, check=False)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    return done.stderr


def write_corrupt_mlflow_model(folder: Path) -> None:
    folder.mkdir()
    (folder / "python_model.pkl").write_bytes(b"\x80\x05 this is no pickle")
    (folder / "requirements.txt").write_text("\n".join(MODEL_PACKAGES))
    flavor = "loader_module: mlflow.pyfunc.model\n    python_model: python_model.pkl\n    cloudpickle_version: 3.1.0"
    (folder / "MLmodel").write_text(f"flavors:\n  python_function:\n    {flavor}\nmodel_uuid: '1'\n")
