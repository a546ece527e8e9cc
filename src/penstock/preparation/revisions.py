"""What a deployment's process is made of, the mark that tells two such makings apart, and where its parts lie.

Pure: the folders are named here and filled in `preparation.py`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from penstock.domain.artifact import ArtifactReference
from penstock.domain.collector import Collecting
from penstock.domain.environment import USUAL_ROUTES, InferenceConfig, Requirements
from penstock.domain.resource import Frozen
from penstock.preparation.collection import collector_file
from penstock_worker import contract

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class PlacedModel(Frozen):
    """A model's files: `basename` is the folder or file below `AZUREML_MODEL_DIR`."""

    digest: str
    basename: str
    name: str
    version: str
    mlflow: bool


class PlacedCode(Frozen):
    digest: str
    basename: str
    scoring_script: str


class PlacedImage(Frozen):
    """A container's image, and how it is run. `reference` is a pinned name; empty if the image is to be built.

    A build context is the folder `folder` of the artifact `context`.
    """

    reference: str
    context: str = ""
    folder: str = ""
    dockerfile: str = ""
    routes: InferenceConfig
    model_mount_path: str | None
    cpus: float | None
    gpus: int

    @property
    def has_own_server(self) -> bool:
        """True if it is not said to have Azure's inference server, or our worker."""
        return self.routes != USUAL_ROUTES

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that tell two images apart."""
        source = [self.reference, self.context, self.folder, self.dockerfile]
        return hashlib.sha256(json.dumps(source).encode()).hexdigest()[:16]


class Ingredients(Frozen):
    """Everything that decides how a process behaves. Two equal ones never need a restart.

    With an image the process is a container, and there are no requirements.
    """

    model: PlacedModel | None
    code: PlacedCode | None
    requirements: Requirements
    environment_variables: dict[str, str]
    memory_bytes: int | None
    image: PlacedImage | None = None
    strict: bool = False  # see `domain/compat.py`
    collecting: Collecting | None = None

    def revision(self) -> str:
        """Eight hex digits of the SHA-256 of the canonical JSON; notices do not count."""
        unsaid = {"python_policy"} if self.requirements.python_policy is None else set[str]()
        left_out: dict[str, Any] = {"requirements": {"notices"} | unsaid}
        left_out |= {name: True for name in ("image", "strict", "collecting") if not getattr(self, name)}
        content = self.model_dump(mode="json", exclude=left_out)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


def code_folder(app: Path) -> Path:
    return app / "code"


def model_folder(app: Path, model: PlacedModel) -> Path:
    """`AZUREML_MODEL_DIR`: .../azureml-models/NAME/VERSION, as in Azure's containers."""
    return app / "azureml-models" / model.name / model.version


def worker_variables(app: Path, ingredients: Ingredients) -> dict[str, str]:
    """Those of the contract's variables that follow from the ingredients (as Azure ML's local endpoints set them)."""
    variables: dict[str, str] = {}
    if ingredients.code is not None:
        script = PurePosixPath(ingredients.code.scoring_script)
        root = code_folder(app) / ingredients.code.basename / script.parent
        variables |= {contract.APP_ROOT: str(root), contract.ENTRY_SCRIPT: script.name}
    else:
        variables[contract.APP_ROOT] = str(app)
    if ingredients.model is not None:
        folder = model_folder(app, ingredients.model)
        variables[contract.MODEL_DIR] = str(folder)
        if ingredients.model.mlflow and ingredients.code is None:
            variables[contract.MLFLOW_MODEL] = str(folder / ingredients.model.basename)
    if ingredients.memory_bytes is not None:
        variables[contract.MEMORY_BYTES] = str(ingredients.memory_bytes)
    if ingredients.collecting is not None:
        variables[contract.COLLECTOR_CONFIG] = str(collector_file(app))
    return variables


def protocol_variables(endpoint: str, deployment: str, ingredients: Ingredients) -> dict[str, str]:
    """Names and version by which clients of other protocols than Azure's call the model; its own name comes first."""
    model = ingredients.model
    own: Sequence[str] = () if model is None else (model.name,)
    names = dict.fromkeys((*own, deployment, endpoint))
    version = {contract.MODEL_VERSION: model.version} if model is not None else {}
    return {contract.MODEL_NAMES: ",".join(names), **version}


def process_environment(
    base: Mapping[str, str], ingredients: Ingredients, python: Path, contract_variables: Mapping[str, str]
) -> dict[str, str]:
    """The whole environment of a process: the host's basics, the user's variables, then the contract's.

    Numeric libraries get one thread unless the user says otherwise: instances are what uses the cores, and the
    stacks and buffers of threads that no request needs count towards the memory limit.
    """
    return {**one_thread(base, python), **ingredients.environment_variables, **contract_variables}


def one_thread(base: Mapping[str, str], python: Path) -> dict[str, str]:
    """The environment of a process of an environment's interpreter, whose numeric libraries get one thread."""
    path = f"{python.parent}:{base.get('PATH', '/usr/local/bin:/usr/bin:/bin')}"
    return {**base, **ONE_THREAD, "PATH": path, "PYTHONUNBUFFERED": "1"}


def basename_of(reference: ArtifactReference) -> str:
    return PurePosixPath(reference.path).name
