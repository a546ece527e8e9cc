"""How an instance runs in a container: its files in Azure's places, its ports, its variables. Pure."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from penstock.domain.environment import InferenceConfig, Route
from penstock.engines.base import Mount
from penstock.online.places import CONTRACTS_FILE, SHARED_MEASURES, SHARED_REPORT
from penstock.online.whereabouts import Question, Whereabouts
from penstock.preparation.revisions import Ingredients, PlacedImage, PlacedModel, code_folder, model_folder
from penstock_worker import contract

APP = PurePosixPath("/var/azureml-app")  # Azure's place for code and models
CONTRACTS = PurePosixPath("/var/penstock-contracts")
SHARED = PurePosixPath("/var/penstock")  # where the container may leave its report


def ports_of(routes: InferenceConfig) -> tuple[int, ...]:
    """The container's ports that must be reached, each once."""
    return tuple(
        sorted({route.port for route in (routes.liveness_route, routes.readiness_route, routes.scoring_route)})
    )


def whereabouts_of(routes: InferenceConfig, host_ports: Mapping[int, int]) -> Whereabouts:
    """Where this host reaches the routes. `host_ports` are by the container's ports."""

    def at(route: Route) -> str:
        return f"127.0.0.1:{host_ports[route.port]}"

    return Whereabouts(
        address=at(routes.scoring_route),
        liveness=Question(address=at(routes.liveness_route), path=routes.liveness_route.path),
        readiness=Question(address=at(routes.readiness_route), path=routes.readiness_route.path),
        in_container=True,
    )


def mounts_of(
    app: Path, ingredients: Ingredients, image: PlacedImage, shared: Path, contracts: Path
) -> tuple[Mount, ...]:
    """What the container sees of this host: model and code, to read, contracts, and the folder for its report."""
    mounts = [Mount(source=shared, target=str(SHARED), read_only=False)]
    if ingredients.model is not None:
        source = model_folder(app, ingredients.model)
        mounts.append(Mount(source=source, target=str(_model_place(ingredients.model, image))))
    if ingredients.code is not None:
        basename = ingredients.code.basename
        mounts.append(Mount(source=code_folder(app) / basename, target=str(APP / basename)))
    mounts.append(Mount(source=contracts.parent, target=str(CONTRACTS)))
    return tuple(mounts)


def container_variables(ingredients: Ingredients, image: PlacedImage, listen: str) -> dict[str, str]:
    """All variables of the container but for those of the image; `listen` is for our own worker.

    They are those that Azure ML's local endpoints set, the user's, and the contract's.
    """
    variables = {"PYTHONUNBUFFERED": "1", **ingredients.environment_variables}
    variables |= {contract.LISTEN: listen, contract.REPORT: str(SHARED / SHARED_REPORT)}
    variables |= {contract.MEASURES: str(SHARED / SHARED_MEASURES)}
    variables[contract.CONTRACT] = str(CONTRACTS / CONTRACTS_FILE)
    if ingredients.code is not None:
        script = PurePosixPath(ingredients.code.scoring_script)
        variables[contract.APP_ROOT] = str(APP / ingredients.code.basename / script.parent)
        variables[contract.ENTRY_SCRIPT] = script.name
    if ingredients.model is not None:
        folder = _model_place(ingredients.model, image)
        variables[contract.MODEL_DIR] = str(folder)
        if ingredients.model.mlflow and ingredients.code is None:
            variables[contract.MLFLOW_MODEL] = str(folder / ingredients.model.basename)
    return variables


def _model_place(model: PlacedModel, image: PlacedImage) -> PurePosixPath:
    """`AZUREML_MODEL_DIR`."""
    if image.model_mount_path is not None:
        return PurePosixPath(image.model_mount_path)
    return APP / "azureml-models" / model.name / model.version
