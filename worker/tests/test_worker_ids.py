"""Request ids follow the rules of Azure's inference server."""

import pytest

from penstock_worker.ids import IdTooLongError, id_lines


def ids(**given: str) -> dict[str, str]:
    lines = id_lines({name.replace("_", "-").encode(): value.encode() for name, value in given.items()})
    return dict(line.split(": ", 1) for line in lines.decode().splitlines())


@pytest.mark.parametrize(
    ("given", "answered"),
    [
        pytest.param({"x_request_id": "r"}, {"x-request-id": "r", "x-ms-request-id": "r"}, id="the given id is kept"),
        pytest.param(
            {"x_request_id": "r", "x_ms_request_id": "m"},
            {"x-request-id": "r", "x-ms-request-id": "m", "x-ms-client-request-id": "m"},
            id="the old name stands in for the client's id",
        ),
        pytest.param(
            {"x_request_id": "r", "x_ms_client_request_id": "c"},
            {"x-request-id": "r", "x-ms-request-id": "c", "x-ms-client-request-id": "c"},
            id="the client's id stands in for the old name",
        ),
        pytest.param(
            {"x_request_id": "r", "x_ms_client_request_id": "c", "x_ms_request_id": "m"},
            {"x-request-id": "r", "x-ms-request-id": "m", "x-ms-client-request-id": "c"},
            id="both are kept",
        ),
    ],
)
def test_ids_stand_in_for_each_other(given: dict[str, str], answered: dict[str, str]) -> None:
    assert ids(**given) == answered


def test_a_request_without_ids_gets_a_new_one_under_both_names() -> None:
    first, second = ids(), ids()
    assert first["x-request-id"] == first["x-ms-request-id"] != second["x-request-id"]


@pytest.mark.parametrize("name", ["x_request_id", "x_ms_request_id", "x_ms_client_request_id"])
def test_ids_end_at_a_hundred_characters(name: str) -> None:
    assert "x" * 100 in ids(**{name: "x" * 100}).values()
    with pytest.raises(IdTooLongError):
        ids(**{name: "x" * 101})
