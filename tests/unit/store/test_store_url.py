"""Which databases can be named, and what is said about the others."""

import sys
from pathlib import Path

import pytest

from penstock.domain.errors import Code, PenstockError
from penstock.store.sql import open_store


@pytest.mark.parametrize(
    ("url", "said"),
    [
        pytest.param("sqlite:///", "names no file", id="SQLite without a file"),
        pytest.param("sqlite:///:memory:", "names no file", id="SQLite in memory, which no two threads would share"),
        pytest.param("mysql://user:hunter2@host/db", "'mysql' are not supported", id="another database"),
        pytest.param("hunter2", "cannot be read", id="no URL at all"),
        pytest.param("postgresql://user:hunter2@host:port/db", "cannot be read", id="a port that is no number"),
    ],
)
def test_a_wrong_url_is_refused_without_quoting_its_password(url: str, said: str) -> None:
    with pytest.raises(PenstockError, match=said) as error:
        open_store(url)
    assert error.value.code is Code.INVALID
    assert "hunter2" not in error.value.message


def test_a_missing_driver_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(PenstockError, match=r"pip install 'penstock\[postgresql\]'") as error:
        open_store("postgresql://host/db")
    assert error.value.code is Code.INVALID


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(PenstockError, match=r"absent/penstock\.db cannot be opened: No such file") as error:
        open_store(f"sqlite:///{tmp_path / 'absent' / 'penstock.db'}")
    assert error.value.code is Code.UNAVAILABLE
