"""How an instance runs in a container: its files in Azure's places, its ports, its variables. Pure."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from penstock.domain.environment import InferenceConfig, Route
from penstock.engines.base import Mount
from penstock.online.places import CONTRACTS_FILE, SHARED_MEASURES, SHARED_REPORT
from penstock.online.whereabouts import Question, Whereabouts
from penstock.preparation.container_layout import app_mounts, app_variables
from penstock.preparation.revisions import Ingredients, PlacedImage
from penstock_worker import contract

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
    return (
        Mount(source=shared, target=str(SHARED), read_only=False),
        *app_mounts(app, ingredients, image),
        Mount(source=contracts.parent, target=str(CONTRACTS)),
    )


def container_variables(ingredients: Ingredients, image: PlacedImage, listen: str) -> dict[str, str]:
    """All variables of the container but for those of the image; `listen` is for our own worker.

    They are those that Azure ML's local endpoints set, the user's, and the contract's.
    """
    return {
        "PYTHONUNBUFFERED": "1",
        **ingredients.environment_variables,
        contract.LISTEN: listen,
        contract.REPORT: str(SHARED / SHARED_REPORT),
        contract.MEASURES: str(SHARED / SHARED_MEASURES),
        contract.CONTRACT: str(CONTRACTS / CONTRACTS_FILE),
        **app_variables(ingredients, image),
    }
