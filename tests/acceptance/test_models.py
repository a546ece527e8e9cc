"""Registered models, as their users have them: versions, files, archives, and where they serve."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from support.callers import Caller, a_caller, an_api, at_once
from support.load import Load
from support.registry import mlflow_command
from support.running import Platform, a_platform, write_deployment, write_endpoint

SCRIPT = """
import os
from pathlib import Path

def init():
    global version
    version = (Path(os.environ["AZUREML_MODEL_DIR"]) / "model" / "version.txt").read_text()

def run(raw_data):
    return version
"""
LARGE = bytes(range(256)) * 20_000  # 5 MB


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Generator[Platform]:
    """With two versions of `fraud`, folders that tell their number."""
    folder = tmp_path_factory.mktemp("models")
    with a_platform(folder / "home", {"PENSTOCK_MLFLOW": str(mlflow_command())}) as platform:
        for number in ("1", "2"):
            create(platform, "fraud", a_model(folder / number, number))
        yield platform


def a_model(folder: Path, text: str) -> Path:
    model = folder / "model"
    (model / "data").mkdir(parents=True)
    (model / "version.txt").write_text(text)
    (model / "data" / "weights.bin").write_bytes(LARGE)
    return model


def create(platform: Platform, name: str, path: Path, *flags: object) -> Any:
    return platform.json("model", "create", "-n", name, "-p", path, *flags)


def listed(platform: Platform, name: str, *flags: str) -> list[str]:
    return [version["version"] for version in platform.json("model", "list", "-n", name, *flags)]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_folders_and_files_become_versions_and_the_same_content_no_new_one(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "model.v1.pkl"
    file.write_bytes(b"pickled")
    (tmp_path / "models" / "net" / "1").mkdir(parents=True)
    (tmp_path / "models" / "net" / "1" / "model.onnx").write_bytes(b"onnx")
    flags = ("--tags", "owner=ann", "team=risk", "-d", "one file", "--stage", "Development")
    first, again = create(platform, "pickle", file, *flags), create(platform, "pickle", file, *flags)
    assert first == again
    assert {name: first[name] for name in ("version", "type", "tags", "description", "stage")} == {
        "version": "1",
        "type": "custom_model",
        "tags": {"owner": "ann", "team": "risk"},
        "description": "one file",
        "stage": "Development",
    }
    assert first["path"].endswith("/model.v1.pkl")
    assert create(platform, "net", tmp_path / "models", "--version", "7")["type"] == "triton_model"
    assert (listed(platform, "pickle"), listed(platform, "net"), listed(platform, "fraud")) == (
        ["1"],
        ["7"],
        ["2", "1"],
    )


def test_what_is_said_of_a_version_may_change_and_an_alias_moves(platform: Platform) -> None:
    update = ("model", "update", "-n", "fraud")
    platform.run(*update, "--version", "1", "--add", "aliases", "champion", "--set", "tags.year=2026", "tags.by=ann")
    moved = platform.json(*update, "--version", "2", "--set", "aliases=champion", "--stage", "Production")
    assert (moved["aliases"], moved["stage"], moved["version"]) == (["champion"], "Production", "2")
    first, champion, production, refused = at_once(
        platform,
        ("model", "show", "-n", "fraud", "--version", "1"),
        ("model", "show", "-n", "fraud", "--label", "champion", "-o", "table"),
        ("model", "list", "--stage", "Production", "--query", "[].name"),
        (*update, "--version", "1", "--set", "path=/elsewhere"),
    )
    assert (json.loads(first.stdout)["tags"], json.loads(first.stdout)["aliases"]) == (
        {"year": "2026", "by": "ann"},
        [],
    )
    assert ["version", "2"] in [line.split() for line in champion.stdout.splitlines()]
    assert "fraud" in json.loads(production.stdout)
    assert (refused.returncode, "versions never change" in refused.stderr) == (2, True)


def test_an_archived_version_is_hidden_and_comes_back(platform: Platform) -> None:
    platform.run("model", "archive", "-n", "fraud", "--version", "2")
    assert platform.json("model", "show", "-n", "fraud")["version"] == "1"
    assert (listed(platform, "fraud"), listed(platform, "fraud", "--archived-only")) == (["1"], ["2"])
    platform.run("model", "restore", "-n", "fraud", "--version", "2")
    assert listed(platform, "fraud") == ["2", "1"]


def test_a_download_lays_the_files_below_the_model_s_name(platform: Platform, tmp_path: Path) -> None:
    download = ("model", "download", "-n", "fraud", "--version", "1", "-p", tmp_path)
    platform.run(*download)
    files = {"fraud/model/version.txt": b"1", "fraud/model/data/weights.bin": LARGE}
    assert contents(tmp_path) == files
    (tmp_path / "fraud/model/data/weights.bin").write_bytes(LARGE[:1000])  # as if somebody had cut it
    kept = (tmp_path / "fraud/model/version.txt").stat().st_ino
    platform.run(*download)
    assert contents(tmp_path) == files
    assert (tmp_path / "fraud/model/version.txt").stat().st_ino == kept


def test_a_download_goes_on_where_it_broke_off(platform: Platform) -> None:
    reference = platform.json("model", "show", "-n", "fraud", "--version", "1")["path"]
    with an_api(platform) as api:
        entries = api.get(f"artifacts/trees/{reference.split(':')[1].split('/')[0]}").json()["entries"]
        digest = next(entry["sha256"] for entry in entries if entry["path"].endswith("weights.bin"))
        rest = api.get(f"artifacts/blobs/{digest}", headers={"Range": "bytes=5000000-"})
        beyond = api.get(f"artifacts/blobs/{digest}", headers={"Range": f"bytes={len(LARGE) + 1}-"})
        absent = api.get(f"artifacts/blobs/{'0' * 64}")
    assert (rest.status_code, rest.content) == (206, LARGE[5_000_000:])
    assert rest.headers["Content-Range"] == f"bytes 5000000-{len(LARGE) - 1}/{len(LARGE)}"
    assert (beyond.status_code, absent.status_code) == (400, 404)


def test_an_archive_carries_a_version_and_a_harmed_one_nothing(platform: Platform, tmp_path: Path) -> None:
    file, harmed = tmp_path / "fraud.tar.zst", tmp_path / "harmed.tar.zst"
    platform.run("model", "export", "-n", "fraud", "--version", "1", "-o", file)
    harmed.write_bytes(file.read_bytes()[:-2000])
    refused = platform.run("model", "import", harmed, "-n", "harmed", check=False)
    assert (refused.returncode, "is not a whole archive of a model" in refused.stderr) == (2, True)
    for _ in range(2):
        imported = platform.json("model", "import", file, "-n", "carried", "--version", "1")
    shown = platform.json("model", "show", "-n", "fraud", "--version", "1")
    assert {n: imported[n] for n in ("tags", "path", "type")} == {n: shown[n] for n in ("tags", "path", "type")}
    assert imported["lineage"]["parent"] == "fraud:1"
    assert (listed(platform, "carried"), listed(platform, "harmed")) == (["1"], [])


def test_a_version_is_shared_with_another_platform(platform: Platform) -> None:
    token = (platform.home / "token").read_text().strip()
    elsewhere = Platform(platform.home, {"PENSTOCK_SHARE_TOKEN": token})
    share = ("--registry-name", platform.server["url"], "--share-with-name", "eu", "--share-with-version", "4")
    shared = elsewhere.json("model", "share", "-n", "fraud", "--version", "2", *share)
    assert (shared["name"], shared["version"], shared["lineage"]["parent"]) == ("eu", "4", "fraud:2")
    denied = Platform(platform.home, {"PENSTOCK_SHARE_TOKEN": "wrong"})
    assert denied.run("model", "share", "-n", "fraud", "--version", "2", *share, check=False).returncode == 1


@pytest.fixture(scope="module")
def served(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Generator[Caller]:
    """Endpoint `fraud`, of which version 1 has all traffic."""
    folder = tmp_path_factory.mktemp("files")
    platform.run("online-endpoint", "create", "-f", write_endpoint(folder, "fraud"))
    file = write_deployment(folder, "fraud", "blue", script=SCRIPT, extra={"model": "azureml:fraud:1"})
    platform.run("online-deployment", "create", "-f", file, "--all-traffic")
    with a_caller(platform, "fraud") as caller:
        yield caller


def test_another_version_is_deployed_and_the_first_again_with_no_lost_request(
    platform: Platform, served: Caller
) -> None:
    update = ("online-deployment", "update", "-n", "blue", "-e", "fraud", "--set")
    with Load(served.port, "/endpoints/fraud/score", served.headers(), connections=8, pause=0.01) as load:
        assert served.score().json() == "1"
        for reference, version in (("azureml:fraud:2", "2"), ("azureml:fraud:1", "1"), ("azureml:fraud@champion", "2")):
            platform.run(*update, f"model={reference}")
            assert served.score().json() == version
            assert where(platform) == [(version, "blue", 100, "Succeeded")]
    assert not load.failures(), load.summary()
    assert where(platform, "--version", "1") == []


def where(platform: Platform, *flags: str) -> list[tuple[object, ...]]:
    found = platform.json("model", "deployments", "-n", "fraud", *flags)
    return [tuple(place[name] for name in ("version", "deployment", "traffic", "state")) for place in found]
