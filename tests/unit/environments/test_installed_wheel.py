"""Wheels made again from what is installed."""

import io
import zipfile

import pytest

from penstock.domain.errors import PenstockError
from penstock.environments.installed_wheel import compressed_tag, installed_wheel


def test_an_installed_package_becomes_the_wheel_that_it_was() -> None:
    name, content = installed_wheel("httptools")
    assert name.startswith("httptools-")
    assert name.endswith(".whl")
    archive = zipfile.ZipFile(io.BytesIO(content))
    names = archive.namelist()
    info = name.split("-cp")[0] + ".dist-info"
    record = archive.read(f"{info}/RECORD").decode().splitlines()
    assert [line.partition(",")[0] for line in record] == names
    assert "httptools/__init__.py" in names
    assert f"{info}/INSTALLER" not in names
    assert not any(name.endswith(".pyc") for name in names)
    assert installed_wheel("httptools") == (name, content)


def test_what_is_not_installed_is_named() -> None:
    with pytest.raises(PenstockError, match="no-such-thing is not installed"):
        installed_wheel("no-such-thing")


def test_several_tags_are_one_name() -> None:
    lines = "Wheel-Version: 1.0\nTag: cp311-cp311-manylinux_2_5_x86_64\nTag: cp311-cp311-manylinux1_x86_64\n"
    assert compressed_tag(lines) == "cp311-cp311-manylinux1_x86_64.manylinux_2_5_x86_64"
