"""The batch example: one model, without code and by a script, says in jobs what it says where it was trained."""

import csv
import json
from collections.abc import Generator
from pathlib import Path

import pytest
from support.running import Platform, a_platform
from support.trained import a_trained_example

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_trained_example("batch", tmp_path_factory.mktemp("example"))


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, environments: Path, example: Path) -> Generator[Platform]:
    """The example deployed, with a job of each deployment begun: they run side by side."""
    with a_platform(tmp_path_factory.mktemp("platform") / "home", environments=environments) as platform:
        platform.run("apply", "-f", example)
        for name in ("model", "script"):
            invoked = ("batch-endpoint", "invoke", "-n", "biopsies", "-d", name, "--input", example / "data")
            platform.run(*invoked, "--job-name", f"by-{name}")
        yield platform


def table(path: Path) -> list[list[str]]:
    return list(csv.reader(path.read_text().splitlines()))


def cases(example: Path) -> list[tuple[str, str, bool]]:
    """File, case and whether it is legible, in the order of the input."""
    return [
        (path.name, case, "?" not in measurements)
        for path in sorted((example / "data").glob("*/*.csv"))
        for case, *measurements in table(path)[1:]
    ]


def output(platform: Platform, job: str, folder: Path) -> Path:
    platform.run("job", "stream", "-n", job)
    platform.run("job", "download", "-n", job, "-p", folder)
    return folder / "named-outputs" / "score"


def test_a_model_without_code_scores_all_that_it_can_read_in_order(
    platform: Platform, example: Path, tmp_path: Path
) -> None:
    predictions = json.loads((example / "test.json").read_text())["predictions"]
    score = output(platform, "by-model", tmp_path)
    header, *rows = table(score / "predictions.csv")
    assert header == ["case", "prediction"]
    assert rows == [[case, predictions[case]] for _, case, legible in cases(example) if legible]
    (reject,) = map(json.loads, (score / "rejects.jsonl").read_text().splitlines())
    assert (reject["file_name"], reject["row"]) == ("2026-05/south.csv", 1)
    assert "'mean smoothness'" in reject["reason"]


def test_a_script_says_the_same_in_azures_form(platform: Platform, example: Path, tmp_path: Path) -> None:
    predictions = json.loads((example / "test.json").read_text())["predictions"]
    rows = table(output(platform, "by-script", tmp_path) / "predictions.csv")
    assert rows == [[name, case, predictions[case]] for name, case, legible in cases(example) if legible]
