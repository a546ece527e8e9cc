"""Names and references that users write."""

import pytest

from penstock.domain.errors import PenstockError
from penstock.domain.names import AssetReference, check_name, parse_asset_reference
from penstock.domain.quantities import memory_bytes


@pytest.mark.parametrize("name", ["abc", "my-endpoint", "my_endpoint", "A1b", "a" * 32])
def test_names_of_azures_samples_are_taken(name: str) -> None:
    assert check_name("endpoint", name) == name


@pytest.mark.parametrize("name", ["ab", "a" * 33, "1abc", "abc-", "a.b", "a/b", "\u00e9t\u00e9", "abc\n", "a b"])
def test_other_names_are_refused_by_name(name: str) -> None:
    with pytest.raises(PenstockError, match="endpoint name"):
        check_name("endpoint", name)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("azureml:wine:3", AssetReference("wine", "3")),
        ("azureml:wine@latest", AssetReference("wine", label="latest")),
        ("azureml:wine@champion", AssetReference("wine", label="champion")),
        ("wine:3", AssetReference("wine", "3")),
        ("azureml:wine", AssetReference("wine")),
    ],
)
def test_references_are_read(text: str, reference: AssetReference) -> None:
    assert parse_asset_reference("model", text) == reference


@pytest.mark.parametrize("text", ["azureml:", "azureml:wine:", "azureml:wine@a b", "azureml:a/b:1", "a:b:c"])
def test_references_that_mean_nothing_are_refused_with_the_forms(text: str) -> None:
    with pytest.raises(PenstockError, match="azureml:NAME:VERSION"):
        parse_asset_reference("model", text)


def test_only_models_have_labels_other_than_latest() -> None:
    with pytest.raises(PenstockError, match="azureml:NAME:VERSION"):
        parse_asset_reference("environment", "azureml:sklearn@champion")


@pytest.mark.parametrize(
    ("text", "size"), [("512Mi", 512 * 2**20), ("1.5Gi", 3 * 2**29), ("2G", 2 * 10**9), ("100", 100)]
)
def test_memory_is_read_as_kubernetes_does(text: str, size: int) -> None:
    assert memory_bytes(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1Mi", "1 Mi", "1e9", "Mi", "1KiB"])
def test_other_memory_is_refused(text: str) -> None:
    with pytest.raises(PenstockError, match="512Mi"):
        memory_bytes(text)
