"""What a deployment's `data_collector` means, as Azure's files spell it."""

from typing import Any

import pytest

from penstock.domain.collector import Collecting, DataCollector, RollingRate
from penstock.domain.errors import PenstockError
from penstock.domain.fields import parse

ON = {"enabled": "True"}


def effective(**fields: Any) -> Collecting | None:
    return parse(DataCollector, fields, "test").effective()


def test_azures_spelling_is_understood() -> None:
    data = {"name": "fraud-inputs", "path": "azureml://datastores/x/paths/y", "version": 1}
    found = effective(
        collections={
            "Model_Inputs": {**ON, "data": data},
            "model_outputs": {"enabled": True},
            "request": {"enabled": "false"},
        },
        rolling_rate="Hour",
        sampling_rate=0.1,
        request_logging={"capture_headers": ["X-Tenant"]},
    )
    assert found == Collecting(
        rates={"model_inputs": 0.1, "model_outputs": 0.1}, rolling=RollingRate.HOUR, headers=("x-tenant",)
    )


def test_a_collections_own_sampling_rate_wins() -> None:
    found = effective(collections={"a": {**ON, "sampling_rate": 0}, "b": ON}, sampling_rate=0.5)
    assert found is not None
    assert found.rates == {"a": 0, "b": 0.5}


def test_nothing_is_collected_unless_a_collection_is_enabled() -> None:
    assert effective(collections={}) is None
    assert effective(collections={"a": {"enabled": "False"}}) is None


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a sampling rate in percent": ({"collections": {"a": ON}, "sampling_rate": 50}, "less than or equal to 1"),
    "a name that is a path": ({"collections": {"../a": ON}}, "letters, digits"),
    "six collections": ({"collections": {f"c{n}": ON for n in range(6)}}, "at most 5"),
    "a header with a secret": (
        {"collections": {"request": ON}, "request_logging": {"capture_headers": ["Authorization"]}},
        "carries secrets",
    ),
    "a field misspelt": ({"collections": {"a": ON}, "sampling_rates": 1}, "did you mean 'sampling_rate'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_makes_no_sense_is_refused(what: str) -> None:
    fields, words = REFUSED[what]
    with pytest.raises(PenstockError, match=words):
        effective(**fields)
