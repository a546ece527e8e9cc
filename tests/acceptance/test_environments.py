"""From a conda file to an environment that serves: registered, examined, mended, built, and its log at hand."""

import re
from pathlib import Path

import pytest
from support.index import an_index
from support.running import Platform, a_platform, write_deployment, write_endpoint

SCRIPT = """
import pst_frame

def init():
    pass

def run(raw_data):
    return pst_frame.VERSION
"""
CONDA = """
channels: [conda-forge]
dependencies:
- six=1.17
- pip:
  - --extra-index-url http://{place}/simple
  - pst-frame=={version}
  - pst-base==2.1.0
  - azureml-defaults
"""


@pytest.fixture(scope="module")
def index():
    with an_index() as index:
        index.add("pst_frame", "1.0.0", "pst-base<2")
        index.add("pst_frame", "1.4.0", "pst-base")
        index.add("pst_base", "1.9.0")
        index.add("pst_base", "2.1.0")
        yield index


@pytest.fixture(scope="module")
def platform(tmp_path_factory, index):
    folder = tmp_path_factory.mktemp("environments")
    with a_platform(folder / "home") as platform:
        platform.run("online-endpoint", "create", "-f", write_endpoint(folder, "frames"))
        yield platform


def write_conda(folder: Path, place: str, version: str) -> Path:
    file = folder / f"conda-{version}.yml"
    file.write_text(CONDA.format(place=place, version=version))
    return file


def deploy(platform: Platform, folder: Path, name: str, environment: str, **options):
    file = write_deployment(folder, "frames", name, script=SCRIPT, extra={"environment": environment})
    return platform.run("online-deployment", "create", "-f", file, "--all-traffic", **options)


def test_a_clash_is_named_mended_as_proposed_and_the_mended_one_serves(platform, index, tmp_path):
    broken = write_conda(tmp_path, index.place, "1.0.0")
    done = platform.run("environment", "doctor", "-f", broken, "-o", "table", check=False)
    assert done.returncode == 1
    assert "fault     pst-frame==1.0.0 does not go with pst-base==2.1.0: " in done.stdout
    assert "change    pst-frame==1.0.0 -> pst-frame==1.4.0\n" in done.stdout

    platform.run("environment", "create", "-n", "frames", "-c", broken)
    failed = deploy(platform, tmp_path, "blue", "azureml:frames@latest", check=False)
    assert failed.returncode == 1
    assert "pst-frame" in failed.stderr
    fingerprint = re.search(r"penstock environment logs --fingerprint (\w+)", failed.stderr)[1]
    for which in (("--fingerprint", fingerprint), ("-n", "frames:1"), ("-e", "frames", "-d", "blue")):
        assert "pst-base" in platform.run("environment", "logs", *which).stdout

    mended = write_conda(tmp_path, index.place, "1.4.0")
    found = platform.json("environment", "doctor", "-f", mended)
    assert (found["resolvable"], found["cached"]) == (True, False)
    created = platform.run("environment", "create", "-n", "frames", "-c", mended)
    assert "six=1.17 as six==1.17.*" in created.stderr
    assert "azureml-defaults is left out" in created.stderr
    deploy(platform, tmp_path, "blue", "azureml:frames@latest")
    assert platform.score("frames").json() == "1.4.0"
    assert platform.json("environment", "doctor", "-f", mended)["cached"]


def test_versions_are_described_archived_and_restored_and_never_changed(platform, tmp_path):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("six\n")
    file = tmp_path / "environment.yml"
    file.write_text("name: assets\nrequirements: requirements.txt\ntags: {owner: ann}\n")
    for _ in range(2):
        assert platform.json("environment", "create", "-f", file)["version"] == "1"
    shown = platform.json("environment", "update", "-n", "assets", "--set", "tags.stage=1", "description=for tests")
    assert (shown["tags"], shown["description"]) == ({"owner": "ann", "stage": "1"}, "for tests")
    refused = platform.run("environment", "update", "-n", "assets", "--set", "image=other", check=False)
    assert refused.returncode == 2
    requirements.write_text("six\nidna\n")
    assert platform.json("environment", "create", "-f", file)["version"] == "2"
    platform.run("environment", "archive", "-n", "assets", "--version", "2")

    def listed(*flags: str) -> list[str]:
        return [version["version"] for version in platform.json("environment", "list", "-n", "assets", *flags)]

    assert (listed(), listed("--archived-only")) == (["1"], ["2"])
    assert listed("--include-archived", "--max-results", "1") == ["2"]
    assert platform.json("environment", "show", "-n", "assets", "--label", "latest")["version"] == "1"
    assert platform.json("environment", "show", "-n", "assets", "--version", "2")["archived"]
    platform.run("environment", "restore", "-n", "assets")
    assert listed() == ["2", "1"]


def test_a_build_context_is_uploaded_with_its_environment(platform, tmp_path):
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\n")
    shown = platform.json("environment", "create", "-n", "image", "-b", context)
    assert re.fullmatch(r"artifact:[0-9a-f]{64}/context", shown["build"]["path"])
