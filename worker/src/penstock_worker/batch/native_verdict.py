"""What has been shown of a model once: that, loaded without MLflow, it gives what MLflow's pyfunc gives.

It is kept beside the model, and holds for the very same files, libraries and interpreter alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from penstock_worker.batch.native_model import Recipe
from penstock_worker.batch_contract import write_text
from penstock_worker.contract import VERSION
from penstock_worker.signature import ANY, Field, Signature

if TYPE_CHECKING:
    from pathlib import Path

_FORM = 1  # of the file, and of what was shown; another one makes verdicts of before void
_FILE = ".penstock-native.json"


@dataclass(frozen=True)
class NativeVerdict:
    """How to load the model, and the signature that MLflow has read from it."""

    recipe: Recipe
    signature: Signature | None


def verdict_path(app_root: Path) -> Path:
    return app_root / _FILE


def expressible(signature: Signature | None) -> bool:
    """True if all there is to the signature can be written down."""
    if signature is None:
        return True
    return not signature.tensors and all(field.type != ANY for field in signature.fields)


def key_of(model: Path) -> str:
    """Of all that decides what comes of loading the model: its files, the interpreter, the libraries."""
    files = sorted(_files(model, ""))
    installed = sorted(name for folder in sys.path for name in _distributions(folder))
    facts = [_FORM, VERSION, sys.version, os.path.realpath(sys.prefix), str(model), installed, files]
    return hashlib.sha256(json.dumps(facts).encode("ascii")).hexdigest()


def read_verdict(path: Path, key: str) -> NativeVerdict | None:
    """The verdict at `path`; None if there is none, or none for what has `key`."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), encoding="utf-8") as file:
            told = json.load(file)
        if told["key"] != key:
            return None
        known: dict[str, Any] = {**told["recipe"], "trusted": tuple(told["recipe"]["trusted"])}
        recipe = Recipe(**known)
        fields = told["fields"]
        signature = None if fields is None else Signature(tuple(Field(*field) for field in fields))
        return NativeVerdict(recipe, signature)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def write_verdict(path: Path, key: str, verdict: NativeVerdict) -> None:
    """Keep the verdict, if the disk has room for it."""
    signature = verdict.signature
    fields: Any = None if signature is None else [[f.name, f.type, f.required] for f in signature.fields]
    with suppress(OSError):
        write_text(path, json.dumps({"key": key, "recipe": asdict(verdict.recipe), "fields": fields}))


def model_bytes(model: Path) -> int:
    return sum(size for _, size, _ in _files(model, ""))


def _files(folder: Path, below: str) -> list[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{below}{entry.name}"
            if entry.is_dir():
                found += _files(folder / entry.name, f"{name}/")
            else:
                about = entry.stat()
                found.append((name, about.st_size, about.st_mtime_ns))
    return found


def _distributions(folder: str) -> list[str]:
    """Names of what is installed in a folder of the import path; they say the version."""
    with suppress(OSError):
        return [name for name in os.listdir(folder or ".") if name.endswith((".dist-info", ".egg-info"))]
    return []
