"""What the processes of a batch deployment are made of, told in terms of an online one."""

from penstock.domain.batch_deployment import BatchDeployment
from penstock.domain.deployment import OnlineDeployment
from penstock.domain.environment import Requirements
from penstock.domain.errors import invalid
from penstock.domain.samples import SKIP_PROPERTY, is_skipped
from penstock.preparation.revisions import Ingredients

# MLflow's smaller distributions come without what reads and writes tables.
_TABLES = ("pandas", "pyarrow")


def parts_of(spec: BatchDeployment) -> OnlineDeployment:
    """The online deployment whose processes have the same model, code, environment and variables."""
    return OnlineDeployment(
        name=spec.name,
        endpoint_name=spec.endpoint_name,
        model=spec.model,
        code_configuration=spec.code_configuration,
        environment=spec.environment,
        environment_variables=spec.settings.environment_variables,
        properties={SKIP_PROPERTY: "true"} if is_skipped(spec) else {},
    )


def check_scores(name: str, ingredients: Ingredients) -> None:
    """Raises `invalid` if nothing of it scores files: an image's own server is not asked."""
    if ingredients.code is None and ingredients.model is not None and not ingredients.model.mlflow:
        raise invalid(
            f"deployment {name!r}: model {ingredients.model.basename!r} is not an MLflow model, so it needs "
            "code_configuration with a batch script, also in an image of one's own"
        )


def with_tables(requirements: Requirements) -> Requirements:
    """`requirements` with what reads tables, where MLflow itself does not bring it."""
    names = {_name(line) for line in requirements.packages}
    missing = [] if "mlflow" in names else [name for name in _TABLES if name not in names]
    return requirements.model_copy(update={"packages": (*requirements.packages, *missing)})


def _name(line: str) -> str:
    name = line.strip().lower()
    for mark in "[ <>=!~;@":
        name = name.partition(mark)[0]
    return name.replace("_", "-")
