"""What is said and kept of a compilation."""

from datetime import UTC, datetime
from typing import Any

import pytest

from penstock.domain.compilation import Compiled, Format, RowDifference, Timing
from penstock.domain.model import Lineage, ModelType, ModelVersion
from penstock.domain.resource import Truth
from penstock.online.compiled_verdicts import (
    converter_packages,
    differences_text,
    match_row,
    refusal,
    refused_values,
    speed_row,
    tags,
)


def a_version(**fields: Any) -> ModelVersion:
    given = {"path": "", "type": ModelType.MLFLOW, "created_at": datetime(2026, 1, 1, tzinfo=UTC), "created_by": "ann"}
    return ModelVersion(name="wine", version="3", **{**given, **fields})


def a_compiled(**fields: Any) -> Compiled:
    timings = (
        Timing(rows=1, call="model", before_us=200, after_us=10),
        Timing(rows=64, call="model", before_us=300, after_us=30),
    )
    given = {"format": Format.ONNX, "dtype": "float32", "attempt": "onnx in float32", "tolerance": 1e-5, "rows": 500}
    return Compiled(**{**given, "differing": 0, "max_difference": 2e-7, "timings": timings, **fields})


def flavors(*names: str, loader: str = "mlflow.sklearn") -> dict[str, Any]:
    return {"flavors": {"python_function": {"loader_module": loader}, **{name: {} for name in names}}}


@pytest.mark.parametrize(
    ("version", "mlmodel", "said"),
    [
        (a_version(), flavors("sklearn"), None),
        (a_version(type=ModelType.CUSTOM), None, "is not an MLflow model"),
        (a_version(), flavors("pytorch"), "has the flavors python_function, pytorch: what can be compiled is sklearn"),
        (
            a_version(lineage=Lineage(parent="wine:1")),
            flavors(loader="penstock_compiled"),
            "is a compiled version already, of wine:1",
        ),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_name(version: ModelVersion, mlmodel: Any, said: str | None) -> None:
    refused = refusal(version, mlmodel)
    assert refused == said if said is None else said in (refused or "")


def test_only_the_converters_that_are_needed_are_installed() -> None:
    names = [line.partition(">=")[0] for line in converter_packages(flavors("sklearn"), Format.AUTO, "a.csv")]
    assert names == ["skl2onnx", "onnx", "onnxruntime", "treelite"]
    names = [line.partition(">=")[0] for line in converter_packages(flavors("xgboost"), Format.ONNX, "a.parquet")]
    assert names == ["skl2onnx", "onnx", "onnxruntime", "onnxmltools", "pyarrow"]
    assert converter_packages(flavors("sklearn"), Format.TREELITE, "a.jsonl") == ("treelite>=4.3",)


def test_a_match_states_its_tolerance_and_its_largest_difference() -> None:
    name, truth, reason, message = match_row(a_compiled())
    assert (name, truth, reason) == ("Match", Truth.TRUE, "Alike")
    assert message.startswith("500 of 500 rows answer alike, onnx in float32 (labels equal, numbers within 1e-05")
    assert message.endswith("the largest difference is 2e-07")


def test_a_mismatch_of_numbers_names_a_tolerance_that_would_do_and_one_of_labels_another_format() -> None:
    number = RowDifference(row=7, original=1.0, compiled=1.2, difference=0.2)
    _, truth, _, message = match_row(a_compiled(differing=3, max_difference=3e-4, worst=(number,)))
    assert truth is Truth.FALSE
    assert "3 of 500 rows differ" in message
    assert "give --tolerance 0.001" in message
    label = RowDifference(row=7, original="red", compiled="white")
    assert "Try --format treelite" in match_row(a_compiled(differing=1, worst=(label,)))[3]
    assert differences_text((number, label)).splitlines() == [
        "row  original  compiled  difference",
        "7    1.0       1.2       0.2",
        '7    "red"     "white"',
    ]


def test_a_speed_up_is_told_and_so_is_that_there_is_none() -> None:
    told = speed_row(a_compiled(bytes_before=7_850_000, bytes_after=3_800_000))
    assert (
        told[3] == "the model alone, 1 row: 200 to 10.0 µs (20.0x), 64 rows: 300 to 30.0 µs (10.0x); 7.8 MB to 3.8 MB"
    )
    slower = Timing(rows=1, call="model", before_us=100, after_us=400)
    _, truth, reason, message = speed_row(a_compiled(timings=(slower,)))
    assert (truth, reason) == (Truth.UNKNOWN, "NotFaster")
    assert "the original may serve as well" in message


def test_the_tags_of_the_original_stay_and_say_where_it_comes_from() -> None:
    said = tags(a_version(tags={"owner": "ann"}), a_compiled(bytes_before=9, bytes_after=4))
    assert said["owner"] == "ann"
    assert said["penstock.compiled_from"] == "wine:3"
    assert {name: said[f"penstock.compile.{name}"] for name in ("tolerance", "max_difference", "rows", "speedup")} == {
        "tolerance": "1e-05",
        "max_difference": "2e-07",
        "rows": "500",
        "speedup": "20.0",
    }


def test_values_that_are_refused_are_told() -> None:
    assert refused_values(a_compiled()) == ""
    told = refused_values(a_compiled(nan_refused=(0, 1), infinity_refused=True))
    assert told.startswith("it refuses missing values in 2 columns and infinities")
