"""Inputs that containers cannot read are named before a job begins."""

import os
from pathlib import Path

import pytest

from penstock.batch.container_inputs import check_inputs, reader_of
from penstock.domain.errors import PenstockError
from penstock.store.ledger import LedgerFile

STRANGER = 4_000_000  # a user that owns nothing


def listed(folder: Path, *names: str) -> list[LedgerFile]:
    return [
        LedgerFile(number=number, uri=str(folder / name), name=name, size=1, version="1")
        for number, name in enumerate(names)
    ]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "inner").mkdir(parents=True)
    for path in (tmp_path / "elsewhere.csv", folder / "a.csv", folder / "inner" / "b.csv"):
        path.write_text("x")
        path.chmod(0o644)
    for path in (folder, folder / "inner"):
        path.chmod(0o755)
    (folder / "good.csv").symlink_to(folder / "inner" / "b.csv")
    (folder / "bad.csv").symlink_to(tmp_path / "elsewhere.csv")
    (folder / "up").symlink_to("..")
    return folder


def test_files_and_links_within_the_input_are_fine(data: Path) -> None:
    check_inputs(listed(data, "a.csv", "inner/b.csv", "good.csv"), (data,), STRANGER)
    remote = LedgerFile(number=0, uri="s3://lake/a.csv", name="a.csv", size=1, version="1")
    check_inputs([remote], (data,), STRANGER)


@pytest.mark.parametrize("name", ["bad.csv", "up/elsewhere.csv"])
def test_a_link_that_leads_out_of_the_input_is_named_with_where_it_leads(data: Path, name: str) -> None:
    with pytest.raises(PenstockError, match=f"{name} leads to .*elsewhere.csv, which a container"):
        check_inputs(listed(data, "a.csv", name), (data,), None)


def test_it_is_fine_if_another_input_is_where_it_leads_to(data: Path) -> None:
    check_inputs(listed(data, "bad.csv"), (data, data.parent / "elsewhere.csv"), None)


@pytest.mark.parametrize(("name", "mode", "said"), [("inner/b.csv", 0o600, "read"), ("inner", 0o700, "entered")])
def test_what_is_closed_to_the_images_user_is_named_with_the_remedy(
    data: Path, name: str, mode: int, said: str
) -> None:
    (data / name).chmod(mode)
    with pytest.raises(PenstockError, match=rf"{name} may not be {said} by user {STRANGER}.*chmod o\+"):
        check_inputs(listed(data, "inner/b.csv"), (data,), STRANGER)
    check_inputs(listed(data, "inner/b.csv"), (data,), os.getuid())


@pytest.mark.parametrize("place", ["/", "/usr", "/tmp", "/var/", "/proc/self"])
def test_an_input_never_hides_what_an_image_needs(place: str) -> None:
    with pytest.raises(PenstockError, match="cannot be an input"):
        check_inputs([], (Path(place),), None)


@pytest.mark.parametrize(
    ("user", "platform", "reader"),
    [
        pytest.param("1001:1001", 0, 1001, id="the image's"),
        pytest.param("", 0, 65534, id="nobody"),
        pytest.param("root", 0, 65534, id="nobody instead of root"),
        pytest.param("dockeruser", 0, None, id="a name that only the image knows"),
        pytest.param("1001", 1000, None, id="the platform's own user"),
    ],
)
def test_who_reads(user: str, platform: int, reader: int | None) -> None:
    assert reader_of(user, platform) == reader
