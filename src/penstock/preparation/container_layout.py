"""Where a container finds code and model: in Azure's places, whatever process is to work with them. Pure."""

from pathlib import Path, PurePosixPath

from penstock.engines.base import Mount
from penstock.preparation.revisions import Ingredients, PlacedImage, PlacedModel, code_folder, model_folder
from penstock_worker import contract

APP = PurePosixPath("/var/azureml-app")  # Azure's place for code and models


def app_mounts(app: Path, ingredients: Ingredients, image: PlacedImage) -> tuple[Mount, ...]:
    """What was laid out below `app`, to read."""
    mounts: list[Mount] = []
    if ingredients.model is not None:
        source = model_folder(app, ingredients.model)
        mounts.append(Mount(source=source, target=str(_model_place(ingredients.model, image))))
    if ingredients.code is not None:
        basename = ingredients.code.basename
        mounts.append(Mount(source=code_folder(app) / basename, target=str(APP / basename)))
    return tuple(mounts)


def app_variables(ingredients: Ingredients, image: PlacedImage) -> dict[str, str]:
    """Those that lead to code and model, as Azure ML's local endpoints set them."""
    variables: dict[str, str] = {}
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
