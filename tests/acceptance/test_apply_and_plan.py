"""Files say how it shall be: `plan` shows the difference, `apply` makes it so, and what runs is what was sent then."""

import json
import os
import shutil
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from support.callers import Caller, a_caller, an_api, write_yaml
from support.postgresql import a_postgresql
from support.running import ECHO, Platform, a_platform, wait_until, write_deployment

from penstock import Client
from penstock.artifacts.folders import pack

SCRIPT = """
import os, pathlib

def init():
    global weights
    weights = pathlib.Path(os.environ["AZUREML_MODEL_DIR"], "weights", "w.txt").read_text()

def run(raw_data):
    files = sorted(set(os.listdir(os.environ["AML_APP_ROOT"])) - {"__pycache__"})
    return {"weights": weights, "bias": os.environ["BIAS"], "files": files, "pid": os.getpid()}
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, environments: Path) -> Generator[Platform]:
    with a_platform(tmp_path_factory.mktemp("apply") / "home", environments=environments) as platform:
        yield platform


@pytest.fixture(scope="module")
def site(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files in an order in which they cannot be applied one by one: deployments, endpoint with traffic, model last."""
    folder = tmp_path_factory.mktemp("site")
    for path, text in {
        "deployments/code/score.py": SCRIPT,
        "deployments/code/.amlignore": "*.csv\nnotes/\n",
        "deployments/code/train.csv": "1,2,3",
        "deployments/code/notes/todo.txt": "nothing",
        "models/weights/w.txt": "7",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    write_yaml(folder / "deployments" / "all.yml", *(deployment(name, bias="1") for name in ("blue", "green")))
    write_yaml(
        folder / "endpoint.yaml",
        {"name": "shop", "auth_mode": "key", "traffic": {"blue": 100, "green": 0}, "public_network_access": "enabled"},
    )
    write_yaml(folder / "models" / "z.yml", {"name": "shop-weights", "version": 1, "path": "./weights"})
    write_yaml(folder / "zz" / "environment.yml", {"name": "bare", "version": 3, "requirements": []})
    return folder


@pytest.fixture(scope="module")
def shop(platform: Platform, site: Path) -> Generator[Caller]:
    """The site, planned and applied."""
    planned = plan(platform, site)
    assert {row["change"] for row in planned.values()} == {"created"}
    with an_api(platform) as api:
        assert api.get("online-endpoints").json()["items"] == []
    done = platform.run("apply", "-f", site)
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert list(rows) == ["bare:3", "shop-weights:1", "shop", "shop/blue", "shop/green"]
    assert {row["state"] for row in rows.values()} == {"Succeeded"}
    assert "public_network_access" in done.stderr
    with a_caller(platform, "shop") as caller:
        yield caller


def test_everything_is_applied_whatever_the_order_of_the_files(shop: Caller) -> None:
    answer = shop.score()
    assert answer.headers["azureml-model-deployment"] == "blue"
    assert (answer.json()["weights"], answer.json()["bias"]) == ("7", "1")
    assert shop.score(azureml_model_deployment="green").status_code == 200


def test_what_is_applied_again_is_unchanged(platform: Platform, site: Path, shop: Caller) -> None:
    before = shop.score().json()["pid"]
    done = platform.run("apply", "-f", site / "endpoint.yaml", "-f", site / "deployments" / "all.yml", "-f", site)
    assert {row["change"] for row in json.loads(done.stdout) if row["kind"] != "model"} == {"unchanged"}
    assert {row["change"] for row in plan(platform, site).values()} == {"unchanged"}
    done = platform.run("plan", "-f", site, "--exit-code", "-o", "table")
    assert "0 to create, 0 to update, 5 unchanged" in done.stdout
    assert shop.score().json()["pid"] == before


def test_a_plan_shows_each_field_and_changes_nothing(platform: Platform, site: Path, shop: Caller) -> None:
    documents = [deployment("blue", bias="2"), deployment("green", bias="1", instance_count=2)]
    write_yaml(site / "deployments" / "all.yml", *documents)
    done = platform.run("plan", "-f", site, "--exit-code", "-o", "table", check=False)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[lines.index("online-deployment shop/blue: updated") + 1] == "  environment_variables.BIAS: 1 -> 2"
    assert lines[lines.index("online-deployment shop/green: updated") + 1] == "  instance_count: 1 -> 2"
    assert "0 to create, 2 to update, 3 unchanged" in lines
    assert shop.score().json()["bias"] == "1"
    platform.run("apply", "-f", site)
    assert shop.score().json()["bias"] == "2"
    assert len(platform.instance_pids("shop.green")) == 2


def test_one_faulty_document_keeps_all_others_back(platform: Platform, site: Path, shop: Caller) -> None:
    bad = write_yaml(
        site / "deployments" / "all.draft", deployment("blue", bias="9"), deployment("green", instance_cuont=1)
    )
    done = platform.run("apply", "-f", bad, check=False)
    assert done.returncode == 2
    assert f"{bad} (document 2)" in done.stderr
    assert "'instance_count'" in done.stderr
    assert shop.score().json()["bias"] == "2"


def test_traffic_moves_only_to_what_serves(platform: Platform, site: Path, shop: Caller) -> None:
    """The endpoint gives green all traffic, but green's new version cannot start: blue keeps it."""
    code = site.parent / "failing" / "code"
    shutil.copytree(site / "deployments" / "code", code)
    (code / "score.py").write_text(SCRIPT.replace("global weights", "raise OSError('no disk')"))
    files = write_yaml(
        code.parent / "all.yml",
        {"name": "shop", "auth_mode": "key", "traffic": {"green": 100}},
        deployment("green"),
    )
    done = platform.run("apply", "-f", files, check=False)
    assert done.returncode == 1
    assert "no disk" in done.stderr
    assert "traffic of endpoint 'shop' stays as it is" in done.stderr
    assert {shop.score().headers["azureml-model-deployment"] for _ in range(10)} == {"blue"}


def test_only_what_is_new_is_uploaded(platform: Platform, site: Path, shop: Caller) -> None:
    assert shop.score().json()["files"] == [".amlignore", "score.py"]
    sent: list[tuple[int, int]] = []
    folder = site / "deployments" / "code"
    token = (platform.home / "token").read_text().strip()
    with Client(platform.server["url"], token) as client:
        client.artifacts.upload(pack(folder), lambda done, total: sent.append((done, total)))
        assert sent == []
        (folder / "beside.py").write_text("# new")
        client.artifacts.upload(pack(folder), lambda done, total: sent.append((done, total)))
    assert sent == [(5, 5)]
    (folder / "beside.py").unlink()


def test_what_runs_is_what_was_sent_whatever_becomes_of_the_files(platform: Platform, site: Path, shop: Caller) -> None:
    shutil.rmtree(site / "deployments" / "code")
    (site / "models" / "weights" / "w.txt").write_text("8")
    before = shop.score().json()
    os.kill(before["pid"], signal.SIGKILL)
    wait_until(shop.served)
    assert shop.score().json() | {"pid": 0} == before | {"pid": 0}
    platform.down()
    platform.up()
    with a_caller(platform, "shop") as again:
        wait_until(again.served)
        assert again.score().json() | {"pid": 0} == before | {"pid": 0}


def test_the_same_on_postgresql(tmp_path: Path) -> None:
    """Deploy, serve, survive the death of the control plane: with all state in a PostgreSQL database."""
    write_yaml(tmp_path / "endpoint.yml", {"name": "fraud", "auth_mode": "key", "traffic": {"blue": 100}})
    write_deployment(tmp_path, "fraud", "blue", script=ECHO, variables={"VERSION": "pg"})
    with a_postgresql() as url, a_platform(tmp_path / "home", {"PENSTOCK_DATABASE_URL": url}) as platform:
        platform.run("apply", "-f", tmp_path)
        assert not list(platform.home.glob("*.db"))
        with a_caller(platform, "fraud") as fraud:
            before = fraud.score().json()
            assert before["version"] == "pg"
            platform.kill_control_plane()
            platform.up()
            assert fraud.score().json() == before
        done = platform.run("apply", "-f", tmp_path)
        assert {row["change"] for row in json.loads(done.stdout)} == {"unchanged"}


def deployment(name: str, bias: str = "1", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "endpoint_name": "shop",
        "model": "azureml:shop-weights@latest",
        "environment": "azureml:bare:3",
        "code_configuration": {"code": "./code", "scoring_script": "score.py"},
        "environment_variables": {"BIAS": bias},
        **more,
    }


def plan(platform: Platform, path: Path) -> dict[str, Any]:
    return {row["name"]: row for row in platform.json("plan", "-f", path)}
