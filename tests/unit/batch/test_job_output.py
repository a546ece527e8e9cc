"""Where a job may write."""

from pathlib import Path
from typing import Any

import pytest

from penstock.batch.job_output import check_free, file_name
from penstock.domain.batch_deployment import BatchDeployment
from penstock.domain.errors import Code, PenstockError
from penstock.storage.local import LocalStorage

SCRIPT: dict[str, Any] = {"code_configuration": {"code": "azureml:c", "scoring_script": "score.py"}}
MODEL: dict[str, Any] = {"model": "azureml:m:1"}


@pytest.mark.parametrize(
    ("fields", "present", "taken"),
    [
        pytest.param(MODEL, "predictions.csv", True, id="the predictions of another job"),
        pytest.param(MODEL, "other.csv", False, id="another file"),
        pytest.param(MODEL, "rejects.jsonl", True, id="the rejects of another job"),
        pytest.param(SCRIPT, "rejects.jsonl", False, id="scripts reject no rows"),
        pytest.param({**MODEL, "output": {}}, "predictions.parquet", True, id="the name follows the format"),
        pytest.param({**MODEL, "output": {"mode": "per_input"}}, "x/y.txt", True, id="a file for each input: any file"),
        pytest.param(
            {**SCRIPT, "settings": {"output_action": "summary_only"}}, "predictions.csv", False, id="its script decides"
        ),
    ],
)
def test_what_a_job_would_replace_is_refused(tmp_path: Path, fields: Any, present: str, taken: bool) -> None:
    deployment = BatchDeployment.model_validate(fields)
    check_free(LocalStorage(), str(tmp_path / "nowhere"), deployment, elsewhere=True)
    path = tmp_path / present
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    if not taken:
        check_free(LocalStorage(), str(tmp_path), deployment, elsewhere=True)
        return
    with pytest.raises(PenstockError, match=rf"holds {present}.*--output-path") as caught:
        check_free(LocalStorage(), str(tmp_path), deployment, elsewhere=True)
    assert caught.value.code is Code.CONFLICT


def test_the_default_name_follows_the_format_and_others_stay() -> None:
    named = {"output_file_name": "mine.csv"}
    for output, settings, name in (
        (None, {}, "predictions.csv"),
        ({"format": "jsonl"}, {}, "predictions.jsonl"),
        ({"format": "jsonl"}, named, "mine.csv"),
    ):
        deployment = BatchDeployment.model_validate({**MODEL, "output": output, "settings": settings})
        assert file_name(deployment) == name
