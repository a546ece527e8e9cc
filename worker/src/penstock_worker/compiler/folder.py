"""The compiled version as an MLflow model of its own: signature and input example as the original's."""

from __future__ import annotations

import importlib
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock_worker.compiler import contract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock_worker.compiler.original import Original

# What the MLmodel file says of the model itself, not of the files that it is made of or of the run that made it.
_KEPT = ("signature", "saved_input_example_info", "metadata", "mlflow_version", "type_hint_from_example", "prompts")
_RUNTIMES = {"onnx": "onnxruntime", "treelite": "treelite"}


def write(original: Original, output: Path, format_: str, options: Sequence[str]) -> Path:
    """Make the model's folder, but for the files in the folder that is returned."""
    data, code = output / "data", output / "code"
    data.mkdir(parents=True)
    code.mkdir()
    loader = Path(__file__).with_name(f"{contract.LOADER}.py")
    shutil.copyfile(loader, code / loader.name)
    _copy_example(original, output)
    lines = [*options, *_requirements(_RUNTIMES[format_])]
    python = platform.python_version()
    environment: dict[str, Any] = {"python": python, "build_dependencies": ["pip"]}
    pip: dict[str, Any] = {"pip": lines}
    conda = {"name": "mlflow-env", "channels": ["conda-forge"], "dependencies": [f"python={python}", "pip", pip]}
    (output / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _dump(output / "python_env.yaml", {**environment, "dependencies": ["-r requirements.txt"]})
    _dump(output / "conda.yaml", conda)
    _dump(output / "MLmodel", _mlmodel(original.mlmodel, python))
    return data


def size_of(folder: Path) -> int:
    """Bytes of a model's files."""
    files = (file for file in folder.rglob("*") if file.is_file() and file.parent.name != "__pycache__")
    return sum(file.stat().st_size for file in files)


def _mlmodel(original: dict[str, Any], python: str) -> dict[str, Any]:
    flavor = {
        "loader_module": contract.LOADER,
        "data": "data",
        "code": "code",
        "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
        "python_version": python,
    }
    kept = {name: original[name] for name in _KEPT if original.get(name) is not None}
    return {"flavors": {"python_function": flavor}, **kept}


def _requirements(runtime: str) -> list[str]:
    """What loading and predicting takes, in the versions that it was tried with here."""
    # All of MLflow brings scikit-learn and more with it; this part of it loads models as well.
    mlflow = _installed("mlflow-skinny") or _installed("mlflow")
    found = {"mlflow-skinny": mlflow, **{name: _installed(name) for name in ("numpy", "pandas", runtime)}}
    return [f"{name}=={number}" for name, number in found.items() if number]


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _copy_example(original: Original, output: Path) -> None:
    """The input example, and the request that MLflow has made of it."""
    info: dict[str, Any] = original.mlmodel.get("saved_input_example_info") or {}
    for key in ("artifact_path", "serving_input_path"):
        path = info.get(key)
        if path and (original.folder / path).is_file():
            shutil.copyfile(original.folder / path, output / Path(path).name)
    example = original.folder / "serving_input_example.json"
    if example.is_file():
        shutil.copyfile(example, output / example.name)


def _dump(path: Path, value: Any) -> None:
    yaml: Any = importlib.import_module("yaml")
    path.write_text(yaml.safe_dump(value, sort_keys=False), encoding="utf-8")
