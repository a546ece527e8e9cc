"""MLflow as users meet it: one URL and one token for training code, its command line and the browser."""

import hashlib
import os
import random
import socket
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from support.ports import free_port
from support.postgresql import a_postgresql
from support.registry import mlflow_command, mlflow_python
from support.running import Platform, a_platform, wait_until
from support.trained import python_with

TRAIN = """
import mlflow, pandas
from mlflow.entities import Metric
from sklearn.linear_model import LogisticRegression

mlflow.set_experiment("fraud")
data = pandas.DataFrame({"amount": [1.0, 2.0, 3.0, 4.0]})
model = LogisticRegression().fit(data, [0, 0, 1, 1])
with mlflow.start_run() as run:
    mlflow.log_metric("auc", 0.9)
    mlflow.MlflowClient().log_batch(run.info.run_id, [Metric("loss", 0.1 * n, 0, n) for n in range(50)])
    mlflow.log_text("a note", "notes/note.txt")
    mlflow.sklearn.log_model(
        model, name="model", registered_model_name="fraud", pip_requirements=["scikit-learn"], input_example=data
    )
loaded = mlflow.pyfunc.load_model("models:/fraud/1")
print([int(p) for p in loaded.predict(data)], len(mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")))
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Generator[Platform]:
    home = tmp_path_factory.mktemp("mlflow") / "home"
    with a_platform(home, {"PENSTOCK_MLFLOW": str(mlflow_command())}) as platform:
        assert platform.json("status")["mlflow"] == "not started"  # the platform is up and has not waited for it
        yield platform


def test_training_code_logs_and_loads_models_with_one_url_and_one_token(platform: Platform) -> None:
    assert train(platform) == "[0, 0, 1, 1] 50"
    listed = run_in_training(platform, mlflow_command(), "experiments", "search")
    assert "fraud" in listed
    assert platform.json("status")["mlflow"].startswith("ready (pid ")


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic eDp3cm9uZw=="},
        {"Cookie": "penstock_session=" + "0" * 64},
    ],
    ids=["nothing", "a wrong token", "a wrong password", "a made-up session"],
)
def test_without_the_token_nothing_is_told(platform: Platform, sent: Mapping[str, str]) -> None:
    url = f"{platform.server['url']}/mlflow/api/2.0/mlflow/experiments/get?experiment_id=0"
    answer = httpx.get(url, headers=sent, timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "denied")


def test_the_token_is_taken_as_a_password_too(platform: Platform) -> None:
    url = f"{platform.server['url']}/mlflow/version"
    assert httpx.get(url, auth=("anybody", token(platform)), timeout=60).status_code == 200


def test_a_browser_is_led_to_the_login_and_on_to_a_page_that_works(platform: Platform) -> None:
    accepting = {"Accept": "text/html,*/*"}
    with httpx.Client(base_url=platform.server["url"], follow_redirects=True, headers=accepting, timeout=60) as browser:
        login = browser.get("/mlflow")
        assert (login.status_code, login.url.path, 'value="/mlflow/"' in login.text) == (401, "/login", True)
        page = browser.post("/login", data={"token": token(platform), "next": "/mlflow/"})
        assert (page.url.path, "<title>MLflow</title>" in page.text) == ("/mlflow/", True)
        script = page.text.partition('src="')[2].partition('"')[0]
        assert "javascript" in browser.get(page.url.join(script)).headers["content-type"]
        search = page.url.join("ajax-api/2.0/mlflow/experiments/search")
        assert "Default" in browser.post(search, json={"max_results": 5}, headers=from_page(browser)).text
        elsewhere = browser.post(search, json={"max_results": 5}, headers={"Origin": "http://127.0.0.1:9"})
        assert elsewhere.status_code == 401
        assert browser.post("/login", data={"token": token(platform), "next": "//evil"}).url.path == "/"


def test_what_would_run_commands_on_this_host_stays_shut(platform: Platform) -> None:
    with client(platform) as http:
        assert http.put("/mlflow/ajax-api/3.0/mlflow/assistant/config", json={}).status_code == 403


def test_large_files_pass_without_being_held(platform: Platform) -> None:
    piece, count = random.Random(1).randbytes(1024 * 1024), 300
    path = "/mlflow/api/2.0/mlflow-artifacts/artifacts/0/large/file.bin"
    processes = [psutil.Process(int(platform.server["pid"])), *mlflow_processes(platform)]
    before = [process.memory_info().rss for process in processes]
    with client(platform) as http:
        assert http.put(path, content=(piece for _ in range(count))).status_code == 200
        sent, received = hashlib.sha256(), hashlib.sha256()
        for _ in range(count):
            sent.update(piece)
        with http.stream("GET", path) as answer:
            for part in answer.iter_bytes():
                received.update(part)
    assert received.digest() == sent.digest()
    grown = [process.memory_info().rss - rss for process, rss in zip(processes, before, strict=True)]
    assert max(grown) < 100 * 1024 * 1024


def test_a_killed_mlflow_is_back_for_the_next_call(platform: Platform) -> None:
    before = mlflow_processes(platform)
    for process in before:
        process.kill()
    with client(platform) as http:
        assert "fraud" in http.get("/mlflow/api/2.0/mlflow/registered-models/search?max_results=5").text
    assert not {p.pid for p in before} & {p.pid for p in mlflow_processes(platform)}


def test_a_killed_control_plane_finds_the_same_mlflow(platform: Platform) -> None:
    before = {process.pid for process in mlflow_processes(platform)}
    platform.kill_control_plane()
    platform.up()
    with client(platform) as http:
        assert http.get("/mlflow/version").status_code == 200
    assert {process.pid for process in mlflow_processes(platform)} == before


def test_down_ends_it(platform: Platform) -> None:
    assert mlflow_processes(platform)
    platform.down()
    assert platform.processes() == []
    platform.up()


def test_postgresql_holds_both_stores_and_s3_the_files(tmp_path: Path) -> None:
    with a_postgresql() as database, an_s3() as endpoint:
        variables = {
            "PENSTOCK_MLFLOW": str(mlflow_command()),
            "PENSTOCK_DATABASE_URL": database,
            "PENSTOCK_MLFLOW_DATABASE_URL": database,
            "PENSTOCK_MLFLOW_ARTIFACTS": "s3://models/here",
            "MLFLOW_S3_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "geheim",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        assert httpx.put(f"{endpoint}/models").status_code == 200
        with a_platform(tmp_path / "home", variables) as platform:
            assert train(platform) == "[0, 0, 1, 1] 50"
            assert "here/" in httpx.get(f"{endpoint}/models?list-type=2&prefix=here/").text
            assert not (platform.home / "mlflow" / "mlflow.db").exists()
            assert not [p.cmdline() for p in platform.processes() if "psycopg" in " ".join(p.cmdline())]


def train(platform: Platform) -> str:
    """What training code says in the end."""
    return run_in_training(platform, mlflow_python(), "-c", TRAIN).splitlines()[-1]


def run_in_training(platform: Platform, *command: object) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(platform.home),
        "MLFLOW_TRACKING_URI": f"{platform.server['url']}/mlflow",
        "MLFLOW_TRACKING_TOKEN": token(platform),
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    done = subprocess.run(
        [str(part) for part in command],
        env=environment,
        cwd=platform.home.parent,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def token(platform: Platform) -> str:
    return (platform.home / "token").read_text().strip()


def client(platform: Platform) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token(platform)}"}
    return httpx.Client(base_url=platform.server["url"], headers=headers, timeout=100)


def from_page(browser: httpx.Client) -> Mapping[str, str]:
    return {"Origin": str(browser.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}


def mlflow_processes(platform: Platform) -> list[psutil.Process]:
    return [p for p in platform.processes() if p.environ().get("PENSTOCK_INSTANCE", "").startswith("mlflow")]


@contextmanager
def an_s3() -> Generator[str]:
    """URL of an object store that lives in here."""
    program = python_with(("moto[server,s3]",)).with_name("moto_server")
    port = free_port()
    server = subprocess.Popen(
        [program, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: listening(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=60)


def listening(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
