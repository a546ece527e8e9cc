"""What the workers of a batch deployment run: model, code and environment, made ready once for all its jobs."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from penstock.batch.parts import check_scores, parts_of, with_tables
from penstock.batch.places import JobPlaces
from penstock.domain.batch_deployment import BatchDeployment
from penstock.domain.errors import Code, PenstockError
from penstock.environments.base import BuiltEnvironment, Environments
from penstock.preparation.background import Background
from penstock.preparation.building import Failure, Waiting, built_for, reason_of, retry_build, waiting_for
from penstock.preparation.container_images import ReadyImage
from penstock.preparation.preparation import Preparation, read_build, write_build
from penstock.preparation.revisions import Ingredients


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A deployment whose workers can be started. `reads` are files and folders that those of a job must see."""

    ingredients: Ingredients
    app: Path
    environment: BuiltEnvironment | ReadyImage
    reads: tuple[Path, ...] = ()

    @property
    def is_script(self) -> bool:
        return self.ingredients.code is not None

    @property
    def image(self) -> ReadyImage | None:
        """What its workers run in, if these are containers."""
        return self.environment if isinstance(self.environment, ReadyImage) else None


class Launches:
    def __init__(
        self,
        preparation: Preparation,
        environments: Environments,
        builds: Background[BuiltEnvironment],
        places: JobPlaces,
    ) -> None:
        self._preparation = preparation
        self._images = preparation.images
        self._environments = environments
        self._builds = builds
        self._places = places

    def prepare(self, name: str, spec: BatchDeployment, done: Callable[[], None]) -> Launch | Waiting | Failure:
        """One step towards what can be started for deployment `name` (ENDPOINT/DEPLOYMENT).

        `done` is called when a build has ended.
        """
        try:
            ingredients = self._ingredients(name, spec)
        except PenstockError as err:
            if err.code is Code.UNAVAILABLE:
                return Waiting(step="Model", reason="Waiting", message=err.message)
            return Failure(revision=None, step="Model", reason="NotResolved", message=err.message)
        revision = ingredients.revision()
        app = self._places.deployment(name) / revision
        environment = self._environment(ingredients, app, done)
        if isinstance(environment, Waiting):
            return environment
        if isinstance(environment, PenstockError):
            return Failure(
                revision=revision,
                step="Environment",
                reason=reason_of(environment, "BuildFailed"),
                message=environment.message,
                detail=environment.details.get("log"),
            )
        return self._laid_out(name, Launch(ingredients=ingredients, app=app, environment=environment))

    def retry(self, name: str, spec: BatchDeployment) -> None:
        """Let the next `prepare` build an environment anew that has failed. Raises what cannot be resolved."""
        ingredients = self._ingredients(name, spec)
        if ingredients.image is not None:
            self._images.retry(ingredients.image)
        else:
            retry_build(ingredients.requirements, self._environments, self._builds)

    def use(self, launch: Launch) -> None:
        """Note that a process starts with its environment now."""
        if launch.image is None:
            self._environments.use(launch.environment.fingerprint)

    def forget(self, name: str) -> None:
        """Delete the files of a deployment that is gone."""
        shutil.rmtree(self._places.deployment(name), ignore_errors=True)

    def _laid_out(self, name: str, launch: Launch) -> Launch | Failure:
        try:
            self._preparation.place(launch.app, launch.ingredients)
            write_build(launch.app, launch.environment.fingerprint)
            if launch.image is not None:
                self._images.note(launch.app, launch.image)
        except OSError as err:
            message = f"files of deployment {name!r} cannot be laid out: {err.strerror}: {err.filename}"
            return Failure(revision=None, step="Model", reason="NoSpace", message=message)
        return launch

    def _ingredients(self, name: str, spec: BatchDeployment) -> Ingredients:
        ingredients = self._preparation.ingredients(name, parts_of(spec))
        check_scores(name, ingredients)
        if ingredients.code is None and ingredients.image is None:
            requirements = with_tables(ingredients.requirements)
            ingredients = ingredients.model_copy(update={"requirements": requirements})
        return ingredients

    def _environment(
        self, ingredients: Ingredients, app: Path, done: Callable[[], None]
    ) -> BuiltEnvironment | ReadyImage | PenstockError | Waiting:
        image = ingredients.image
        if image is not None:
            return self._images.ready(image, app, done) or waiting_for(image)
        noted = read_build(app)
        built = self._environments.built(noted) if noted is not None else None
        return built or built_for(ingredients.requirements, self._environments, self._builds, done)
