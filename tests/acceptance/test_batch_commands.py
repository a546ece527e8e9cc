"""Data scored by the commands and files of `az ml`, and by the body that Azure's clients send."""

import signal
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.callers import an_api, write_yaml
from support.running import Platform, a_platform

SCRIPT = """
import os, time

def init():
    pass

def run(mini_batch):
    sizes = []
    for path in mini_batch:
        text = open(path).read()
        while "slow" in path and "05" < os.path.basename(path) and not os.path.exists(os.environ["GO"]):
            time.sleep(0.02)
        if "bad" in text:
            raise ValueError("the author's own words")
        sizes.append(f"{path.rpartition('/')[2]},{len(text)}")
    return sizes
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A script, two folders of data, and the files of an endpoint with its deployment and compute."""
    folder = tmp_path_factory.mktemp("batch")
    for name, number, text in (("good", 12, "x"), ("slow", 30, "x"), ("mixed", 1, "bad")):
        (folder / name).mkdir()
        for at in range(number):
            (folder / name / f"{at:02}.txt").write_text(text * (at + 1))
    (folder / "mixed" / "good.txt").write_text("fine")
    (folder / "files" / "code").mkdir(parents=True)
    (folder / "files" / "code" / "driver.py").write_text(SCRIPT)
    write_yaml(
        folder / "files" / "all.yml",
        {"name": "sizes", "auth_mode": "aad_token", "defaults": {"deployment_name": "first"}},
        {"name": "cluster", "type": "amlcompute", "size": "STANDARD_DS3_v2", "max_instances": 2},
        {
            "name": "first",
            "endpoint_name": "sizes",
            "type": "model",
            "code_configuration": {"code": "code", "scoring_script": "driver.py"},
            "environment": {"conda_file": {"dependencies": ["python=3.11"]}},
            "compute": "azureml:cluster",
            "settings": {
                "mini_batch_size": 4,
                "output_file_name": "sizes.csv",
                "retry_settings": {"max_retries": 0},
                "environment_variables": {"GO": str(folder / "go")},
            },
        },
    )
    return folder


@pytest.fixture(scope="module")
def platform(folder: Path, environments: Path) -> Generator[Platform]:
    with a_platform(folder / "home", environments=environments) as platform:
        platform.run("apply", "-f", folder / "files")
        yield platform


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 100
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def state(platform: Platform, job: str) -> Any:
    with an_api(platform) as api:
        return api.get(f"jobs/{job}").json()["status"]


def lines(folder: Path) -> list[str]:
    return sorted((folder / "named-outputs" / "score" / "sizes.csv").read_text().splitlines())


def test_a_folder_is_scored_followed_and_downloaded(platform: Platform, folder: Path, tmp_path: Path) -> None:
    invoked = ("batch-endpoint", "invoke", "-n", "sizes", "--input", folder / "good", "--job-name", "first-job")
    job = platform.json(*invoked, "-m", 3, "--watch")
    assert (job["status"], job["settings"]["mini_batch_size"], job["progress"]["files_done"]) == ("Completed", 3, 12)
    assert platform.json(*invoked, "-m", 3)["started_at"] == job["started_at"]
    assert platform.run(*invoked, "-m", 4, check=False).returncode == 4
    platform.run("job", "download", "-n", "first-job", "--output-name", "score", "-p", tmp_path)
    assert lines(tmp_path) == sorted(f"{at:02}.txt,{at + 1}" for at in range(12))
    assert "0 of 1 files" in platform.run("job", "download", "-n", "first-job", "-p", tmp_path).stderr  # it is there

    (folder / "good" / "new.txt").write_text("new")
    again = ("batch-endpoint", "invoke", "-n", "sizes", "--input", folder / "good", "--since", "last", "--watch")
    platform.run(*again)
    newest = platform.json("batch-deployment", "list-jobs", "-e", "sizes", "-n", "first")[0]
    assert (newest["since"], newest["progress"]["files_done"]) == ("first-job", 1)
    nothing = platform.json(*again)  # what the first job scored is no news, either
    assert (nothing["since"], nothing["progress"]["files_total"]) == (newest["name"], 0)


def test_the_authors_error_is_shown_and_the_exit_code_says_so(platform: Platform, folder: Path) -> None:
    done = platform.run(
        *("batch-endpoint", "invoke", "-n", "sizes", "--input", folder / "mixed", "--job-name", "bad"),
        *("-m", 1, "--set", "error_threshold=0", "--watch"),
        check=False,
    )
    assert done.returncode == 1
    assert "ValueError: the author's own words" in done.stderr
    missing = platform.run("batch-endpoint", "invoke", "-n", "sizes", "--input", folder / "nowhere", check=False)
    assert missing.returncode == 2
    assert "does not exist on the platform's machine" in missing.stderr


def test_a_job_outlives_the_terminal_and_is_canceled_and_resumed(
    platform: Platform, folder: Path, tmp_path: Path
) -> None:
    following = platform.begin(
        *("batch-endpoint", "invoke", "-n", "sizes", "--input", folder / "slow", "--job-name", "slow"),
        *("-m", 1, "--watch"),
    )
    until(lambda: (platform.home / "jobs" / "slow").exists() and state(platform, "slow")["progress"]["files_done"] > 2)
    early = platform.run("job", "download", "-n", "slow", "-p", tmp_path)
    assert "job 'slow' has written nothing (yet)" in early.stderr
    following.send_signal(signal.SIGINT)
    _, told = following.communicate(timeout=100)
    assert following.returncode == 130
    assert "job slow goes on" in told
    refused = platform.run("batch-deployment", "delete", "-e", "sizes", "-n", "first", "--yes", check=False)
    assert (refused.returncode, "slow" in refused.stderr) == (4, True)
    platform.run("job", "cancel", "-n", "slow")
    assert platform.run("job", "stream", "-n", "slow", check=False).returncode == 1
    done = state(platform, "slow")["progress"]["files_done"]
    assert 2 < done < 30
    (folder / "go").touch()
    platform.run("job", "resume", "-n", "slow")
    platform.run("job", "stream", "-n", "slow")
    platform.run("job", "download", "-n", "slow", "-p", tmp_path)
    assert lines(tmp_path) == sorted(f"{at:02}.txt,{at + 1}" for at in range(30))


def test_azures_clients_begin_and_watch_a_job_by_its_scoring_uri(platform: Platform, folder: Path) -> None:
    uri = platform.json("batch-endpoint", "show", "-n", "sizes")["scoring_uri"]
    token = (platform.home / "token").read_text().strip()
    body = {"properties": {"InputData": {"x": {"JobInputType": "UriFolder", "Uri": str(folder / "good")}}}}
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=60) as http:
        answer = http.post(uri, json=body, headers={"azureml-model-deployment": "first"})
        assert answer.status_code == 201
        job = answer.json()["id"].rpartition("/")[2]
        until(lambda: http.get(f"{uri}/{job}").json()["properties"]["status"] == "Completed")
        assert job in [each["name"] for each in http.get(uri).json()["value"]]
        assert http.post(uri, json=body, headers={"azureml-model-deployment": "third"}).status_code == 404
    assert httpx.post(uri, json=body, trust_env=False, timeout=60).status_code == 401
