"""From a deployment's spec to how its container is run, as far as the spec says it. Pure."""

import posixpath

from penstock.domain.artifact import ArtifactReference, Tree
from penstock.domain.deployment import OnlineDeployment
from penstock.domain.environment import USUAL_ROUTES, Environment
from penstock.domain.errors import invalid
from penstock.domain.quantities import cpus, gpus
from penstock.engines.container_command import check_variables
from penstock.preparation.revisions import PlacedImage

_SYSTEM = ("/proc", "/sys", "/dev")


def placed_image(
    spec: OnlineDeployment, environment: Environment, context: tuple[ArtifactReference, Tree] | None
) -> PlacedImage:
    """The image of a deployment whose environment is a container; `context` is what it is to be built from, if it is.

    Raises `invalid` for what no container can be given.
    """
    check_variables(spec.environment_variables)
    limits = spec.resources.limits
    placed = PlacedImage(
        reference=environment.image or "",
        routes=environment.inference_config or USUAL_ROUTES,
        model_mount_path=_checked(spec.model_mount_path),
        cpus=cpus(limits.cpu) if limits.cpu else None,
        gpus=gpus(limits.gpu) if limits.gpu else 0,
    )
    if environment.build is None or context is None:
        return placed
    reference, tree = context
    dockerfile = posixpath.normpath(environment.build.dockerfile_path)
    if f"{reference.path}/{dockerfile}" not in {entry.path for entry in tree.entries}:
        raise invalid(f"build.dockerfile_path {dockerfile!r} is not in the build context {reference.path!r}")
    update = {"context": reference.digest, "folder": reference.path, "dockerfile": dockerfile}
    return placed.model_copy(update=update)


def _checked(path: str | None) -> str | None:
    if path is None:
        return None
    plain = posixpath.normpath(path)
    if (
        not plain.startswith("/")
        or plain.strip("/") == ""
        or any(plain == s or plain.startswith(f"{s}/") for s in _SYSTEM)
    ):
        raise invalid(f"model_mount_path {path!r} is not a place for a model: give an absolute path such as /mnt/model")
    return plain
