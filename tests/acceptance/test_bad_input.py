"""Whatever is wrong with what users and callers send gets a clear answer, and nothing else is disturbed."""

import re
import socket
from collections.abc import Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.callers import Caller, a_caller, an_api, at_once, dawdle, write_yaml
from support.load import Load
from support.running import ECHO, Platform, a_platform, wait_until, write_deployment

MEBIBYTE = 1024 * 1024
MAX_BODY = 10 * MEBIBYTE
IMPATIENT = {"liveness_probe": {"initial_delay": 1, "period": 1, "failure_threshold": 2}}
SMALL = {"resources": {"limits": {"memory": "200Mi"}}}
SERVING = ("raising", "stuck")  # deployments that served well before they were changed for the worse

ROUGH = """
import os, time

def init():
    pass

def run(raw_data):
    word, _, number = raw_data.partition(" ")
    if word == "raise":
        raise ValueError("the author's own words")
    if word == "sleep":
        time.sleep(float(number))
    if word == "end":
        os._exit(7)
    if word == "eat":
        bytearray(int(number))
    return {"pid": os.getpid(), "length": len(raw_data)}
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Generator[Platform]:
    """`steady` must notice nothing, `rough` is sent bad requests, `doomed` is given bad deployments."""
    folder = tmp_path_factory.mktemp("bad")
    files = folder / "files"
    with a_platform(folder / "home") as platform:
        write_yaml(
            files / "endpoints.yml",
            {"name": "steady", "auth_mode": "key", "traffic": {"blue": 100}},
            {"name": "rough", "auth_mode": "key", "traffic": {"blue": 100}},
            {"name": "doomed", "auth_mode": "key"},
        )
        write_deployment(files, "steady", "blue")
        narrow = {"request_timeout_ms": 1500, "max_concurrent_requests_per_instance": 1}
        write_deployment(files / "rough", "rough", "blue", script=ROUGH, extra=SMALL)
        write_deployment(files / "rough", "rough", "narrow", script=ROUGH, extra={"request_settings": narrow})
        for name in SERVING:
            write_deployment(files, "doomed", name, variables={"VERSION": "old"})
        platform.run("apply", "-f", files)
        yield platform


@pytest.fixture(scope="module")
def rough(platform: Platform) -> Generator[Caller]:
    with a_caller(platform, "rough") as caller:
        yield caller


@pytest.fixture(scope="module", autouse=True)
def steady(platform: Platform) -> Generator["Bystander"]:
    """Asked by one connection while all tests of this file run."""
    with a_caller(platform, "steady") as caller:
        load = Load(caller.port, "/endpoints/steady/score", caller.headers(), connections=1, pause=0.05)
        with load:
            yield Bystander(load, caller, pid=caller.score().json()["pid"])
        assert not load.failures(), load.summary()


@dataclass(frozen=True)
class Bystander:
    load: Load
    caller: Caller
    pid: int


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
    "registered model": ({"model": "azureml:nowhere:3"}, ("model", "nowhere")),
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
    assert "numpy=1.26, libgdal; move them to the pip section: numpy==1.26, libgdal" in said


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


# What callers send.

NOT_ADMITTED: dict[str, tuple[str, str, dict[str, str], int, str]] = {
    "without a key": ("POST", "/endpoints/rough/score", {"Authorization": ""}, 401, "get-credentials --name rough"),
    "with a wrong key": ("POST", "/endpoints/rough/score", {"Authorization": "Bearer x"}, 401, "Bearer KEY"),
    "to an unknown endpoint": ("POST", "/endpoints/ruogh/score", {}, 404, "no endpoint has this address"),
    "to an unknown path": ("POST", "/endpoints/rough/other", {}, 404, "/score"),
    "to an unknown deployment": (
        "POST",
        "/endpoints/rough/score",
        {"azureml-model-deployment": "bleu"},
        404,
        "names no deployment of endpoint 'rough'",
    ),
    "by an unknown method": ("DELETE", "/endpoints/rough/score", {}, 405, "GET, POST"),
}


@pytest.mark.parametrize("what", NOT_ADMITTED)
def test_a_request_is_not_admitted(rough: Caller, what: str) -> None:
    method, path, headers, status, words = NOT_ADMITTED[what]
    sent = {**rough.headers(), **headers}
    answer = httpx.request(method, f"http://127.0.0.1:{rough.port}{path}", content=b"{}", headers=sent)
    assert answer.status_code == status
    assert words in error_of(answer)


def test_an_endpoint_without_traffic_says_so(platform: Platform) -> None:
    with a_caller(platform, "doomed") as caller:
        answer = caller.score()
    assert answer.status_code == 404
    assert "no deployment of endpoint 'doomed' has traffic" in error_of(answer)


def test_bodies_are_taken_up_to_ten_mebibytes(rough: Caller) -> None:
    answer = rough.score(b" " * MAX_BODY)
    assert answer.status_code == 200, answer.text
    assert answer.json()["length"] == MAX_BODY
    larger = rough.score(b" " * (MAX_BODY + 1))
    assert larger.status_code == 413
    assert str(MAX_BODY) in error_of(larger)
    assert in_chunks(rough, MAX_BODY + MEBIBYTE) == 413
    assert in_chunks(rough, MEBIBYTE) == 200


def test_a_run_that_raises_is_a_424_and_its_traceback_is_in_the_log_alone(platform: Platform, rough: Caller) -> None:
    answer = rough.score("raise")
    assert answer.status_code == 424
    assert answer.headers["ms-azureml-model-error-statuscode"] == "500"
    assert answer.headers["ms-azureml-model-error-reason"] == "model_error"
    assert "author" not in answer.text
    assert "Traceback" not in answer.text
    logs = platform.run("online-deployment", "get-logs", "-n", "blue", "-e", "rough").stdout
    assert re.search(r'score\.py", line \d+, in run\n.*\nValueError: the author\'s own words', logs)


def test_a_request_that_eats_the_memory_fails_alone(rough: Caller) -> None:
    before = rough.score().json()["pid"]
    with ThreadPoolExecutor(8) as pool:
        hungry = [pool.submit(rough.score, "eat 400000000") for _ in range(4)]
        modest = [pool.submit(rough.score, "eat 1000") for _ in range(20)]
        assert {f.result().status_code for f in hungry} == {424}
        assert {f.result().status_code for f in modest} == {200}
    assert rough.score().json()["pid"] == before


@pytest.mark.xfail(
    strict=True,
    raises=httpx.RemoteProtocolError,
    reason="HAProxy ends the caller's connection without a word when the last instance dies on one used before",
)
def test_a_run_that_ends_its_process_is_answered_all_the_same(rough: Caller) -> None:
    assert narrow(rough, "").status_code == 200
    try:
        answer = narrow(rough, "end")
        assert answer.status_code in (502, 503)
        assert "rough/narrow" in error_of(answer)
    finally:
        wait_until(lambda: rough.served(azureml_model_deployment="narrow"), timeout=10)


def test_more_requests_than_there_is_room_for_are_told_to_come_again(rough: Caller) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = [f.result() for f in [pool.submit(narrow, rough, "sleep 0.6") for _ in range(8)]]
    served = [a for a in answers if a.status_code == 200]
    refused = [a for a in answers if a.status_code == 429]
    assert (len(served), len(refused)) == (2, 6)  # one at work, one waiting: Azure's 2 x max_concurrent x instances
    for answer in refused:
        assert int(answer.headers["retry-after"]) >= 1
        assert "too many requests wait for deployment 'rough/narrow'" in error_of(answer)


def test_a_model_that_takes_too_long_is_a_408(rough: Caller) -> None:
    answer = narrow(rough, "sleep 2.5")
    assert answer.status_code == 408
    assert "deployment 'rough/narrow' did not answer within 1500 ms" in error_of(answer)
    wait_until(lambda: rough.served(azureml_model_deployment="narrow"), timeout=5)


# Callers that send slowly, or break off. They are given ten seconds, in which the tests above run.


@pytest.fixture(scope="module", autouse=True)
def dawdlers(rough: Caller) -> Generator[Mapping[str, Future[tuple[bytes, float]]]]:
    line = "POST /endpoints/rough/score HTTP/1.1\r\nHost: localhost\r\n"
    head = f"{line}Authorization: Bearer {rough.key}\r\nContent-Length: 100000\r\n\r\n"
    with ThreadPoolExecutor(3) as pool:
        yield {
            "headers": pool.submit(dawdle, rough.port, line.encode()),
            "dripping headers": pool.submit(dawdle, rough.port, line.encode(), b"X-More: 1\r\n"),
            "dripping body": pool.submit(dawdle, rough.port, head.encode(), b"x"),
        }


@pytest.mark.parametrize("what", ["headers", "dripping headers", "dripping body"])
def test_a_slow_caller_is_cut_off(dawdlers: Mapping[str, Future[tuple[bytes, float]]], what: str) -> None:
    said, seconds = dawdlers[what].result(timeout=20)
    assert said.startswith(b"HTTP/1.1 408 "), said
    if "body" in what:  # before it has all headers, HAProxy knows no words but its own
        assert b"did not arrive within 10 seconds" in said
    assert 9 < seconds < 13


def test_what_is_no_http_is_a_400(rough: Caller) -> None:
    said, _ = dawdle(rough.port, b"GARBAGE\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 400 "), said


@pytest.mark.parametrize("length", [100, 5 * MEBIBYTE])
def test_a_caller_that_breaks_off_harms_nobody(rough: Caller, length: int) -> None:
    line = "POST /endpoints/rough/score HTTP/1.1\r\nHost: localhost\r\n"
    head = f"{line}Authorization: Bearer {rough.key}\r\nContent-Length: {length}\r\n\r\n"
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", rough.port)) as connection:
            connection.sendall(head.encode() + b"x" * (length // 2))
    assert rough.score().status_code == 200


def test_after_all_this_nothing_else_was_disturbed(steady: "Bystander", platform: Platform) -> None:
    assert steady.caller.score().json()["pid"] == steady.pid
    steady.load.wait_for(3)
    assert not steady.load.failures(), steady.load.summary()
    log = (platform.home / "logs" / "server.log").read_text()
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:3000]


def refused(platform: Platform, *arguments: object, code: int = 2) -> str:
    """What a command that must fail with this exit code said."""
    done = platform.run(*arguments, check=False)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    return done.stderr


def error_of(answer: httpx.Response) -> str:
    """The sentence of an error that the gateway answers itself."""
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error["code"]
    return error["message"]


def narrow(caller: Caller, body: str) -> httpx.Response:
    return caller.score(body, azureml_model_deployment="narrow")


def in_chunks(caller: Caller, size: int) -> int:
    """The status of a request whose length is not told beforehand."""
    chunks = (b" " * 65536 for _ in range(size // 65536))
    return httpx.post(f"{caller.url}/score", content=chunks, headers=caller.headers(), timeout=30).status_code


def write_corrupt_mlflow_model(folder: Path) -> None:
    folder.mkdir()
    (folder / "python_model.pkl").write_bytes(b"\x80\x05 this is no pickle")
    (folder / "requirements.txt").write_text("mlflow-skinny\npandas\n")
    flavor = "loader_module: mlflow.pyfunc.model\n    python_model: python_model.pkl\n    cloudpickle_version: 3.1.0"
    (folder / "MLmodel").write_text(f"flavors:\n  python_function:\n    {flavor}\nmodel_uuid: '1'\n")
