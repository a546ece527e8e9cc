"""Registered data assets, and whether anything lies where one refers to."""

import os

from penstock.control.resources import Resources
from penstock.domain.data import DATA, Data
from penstock.domain.errors import invalid, not_found
from penstock.preparation.versions import Registered, Versions, Words
from penstock.storage.base import Storage
from penstock.storage.patterns import split
from penstock.storage.uris import data_asset

_WORDS = Words[Data](noun="data asset", create="penstock data create", holds=lambda data: f"refers to {data.path}")


def data_versions(resources: Resources) -> Versions[Data]:
    return Versions(resources, DATA, _WORDS)


def find_data(resources: Resources, name: str, version: str | None) -> Registered[Data]:
    return data_versions(resources).find(name, version)


def check_data(storage: Storage, data: Data) -> None:
    """Raises `invalid` or `not_found` for a path that nothing could be read at; other machines are not asked."""
    what = f"data {data.name!r}"
    if data_asset(data.path) is not None:
        raise invalid(f"{what}: path {data.path} is a data asset itself: give what that refers to")
    here = storage.local_path(data.path)
    if here is None:
        return
    there = here if here.exists() else split(str(here))[0] or "/"
    if not os.path.exists(there):
        raise not_found(
            f"{what}: {there} does not exist on the platform's machine: copy or mount the data there, give a URI, or "
            "register it all the same with --skip-validation"
        )
    if data.type == "uri_file" and here.is_dir():
        raise invalid(f"{what}: {here} is a folder: say `type: uri_folder`")
