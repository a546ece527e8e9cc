"""Everything a deployment's processes need, brought together: ingredients, environment, files, command line."""

import logging
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from penstock.domain.deployment import OnlineDeployment
from penstock.domain.errors import Code, PenstockError
from penstock.domain.instance import InstanceName
from penstock.engines.base import Container, ProcessSpec
from penstock.engines.ports import free_ports
from penstock.environments.base import BuiltEnvironment, Environments
from penstock.online.containers import container_variables, mounts_of, ports_of, whereabouts_of
from penstock.online.places import Places
from penstock.online.samples import sample_variables
from penstock.online.whereabouts import note
from penstock.preparation.background import Background
from penstock.preparation.building import Failure, Waiting, built_for, reason_of, retry_build, waiting_for
from penstock.preparation.container_images import ReadyImage
from penstock.preparation.defaults import Defaults
from penstock.preparation.preparation import Preparation, read_build, write_build
from penstock.preparation.revisions import (
    Ingredients,
    process_environment,
    protocol_variables,
    worker_variables,
)
from penstock_worker import contract

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A revision that can be started."""

    spec: OnlineDeployment
    revision: str
    ingredients: Ingredients
    app: Path
    environment: BuiltEnvironment | ReadyImage


class Assembly:
    def __init__(
        self,
        preparation: Preparation,
        environments: Environments,
        builds: Background[BuiltEnvironment],
        apps: Path,
        places: Places,
        defaults: Defaults,
    ) -> None:
        self._preparation = preparation
        self._environments = environments
        self._builds = builds
        self._images = preparation.images
        self._apps = apps
        self._places = places
        self._defaults = defaults

    @property
    def memory_bytes(self) -> int:
        """The limit of an instance whose deployment sets none."""
        return self._defaults.memory_bytes

    def prepare(self, name: str, spec: OnlineDeployment, done: Callable[[], None]) -> Prepared | Waiting | Failure:
        """One step towards a startable revision of deployment `name`; `done` is called when a build has ended."""
        try:
            ingredients = self._preparation.ingredients(name, spec)
        except PenstockError as err:
            if err.code is Code.UNAVAILABLE:
                return Waiting(step="Model", reason="Waiting", message=err.message)
            return Failure(revision=None, step="Model", reason="NotResolved", message=err.message)
        revision = ingredients.revision()
        app = self.app(name, revision)
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
        try:
            self._preparation.place(app, ingredients)
            write_build(app, environment.fingerprint)
            if isinstance(environment, ReadyImage):
                self._images.note(app, environment)
        except OSError as err:
            message = f"files of deployment {name!r} cannot be laid out: {err.strerror}: {err.filename}"
            return Failure(revision=None, step="Model", reason="NoSpace", message=message)
        return Prepared(spec=spec, revision=revision, ingredients=ingredients, app=app, environment=environment)

    def retry(self, name: str, spec: OnlineDeployment) -> None:
        """Let the next `prepare` build anew an environment that has failed."""
        try:
            ingredients = self._preparation.ingredients(name, spec)
            if ingredients.image is not None:
                self._images.retry(ingredients.image)
                return
            retry_build(ingredients.requirements, self._environments, self._builds)
        except PenstockError as err:
            log.info("nothing to build again", extra={"deployment": name, "error": err.message})

    def process(self, name: InstanceName, prepared: Prepared, *, proving: bool) -> ProcessSpec:
        """The process that serves as instance `name`. `proving`: as the first of its revision, which must succeed.

        A container gets ports that are free now, which are noted for whoever must find them.
        """
        common = {
            contract.MAX_BODY_BYTES: str(self._defaults.max_body_bytes),
            contract.MEMORY_BYTES: str(self._defaults.memory_bytes),
            contract.CONTRACT: str(self._places.contracts(name.endpoint, name.deployment)),
            **sample_variables(prepared.spec, proving=proving),
            **({contract.COMPAT: contract.STRICT} if prepared.ingredients.strict else {}),
            **protocol_variables(name.endpoint, name.deployment, prepared.ingredients),
        }
        if isinstance(prepared.environment, ReadyImage):
            return self._container(name, prepared, prepared.environment, common)
        variables = {
            **common,
            contract.SOCKET: str(self._places.socket(name)),
            contract.REPORT: str(self._places.report(name)),
            contract.LOG: str(self._places.log(name)),
            contract.MEASURES: str(self._places.measures(name)),
            contract.INFLIGHT: str(self._places.inflight(name.endpoint, name.deployment)),
            contract.LOG_BYTES: str(self._defaults.log_bytes),
            contract.COLLECTED: str(self._places.collected_folder(name)),
            **worker_variables(prepared.app, prepared.ingredients),
        }
        self._environments.use(prepared.environment.fingerprint)
        python = prepared.environment.python
        return ProcessSpec(
            name=str(name),
            argv=(str(python), "-m", "penstock_worker"),
            environment=process_environment(self._defaults.base_environment, prepared.ingredients, python, variables),
            folder=Path(variables[contract.APP_ROOT]),
            log=self._places.log(name),
        )

    def prune(self, name: str, keep: Collection[str]) -> None:
        """Delete the files of a deployment's revisions other than `keep`; they can be laid out again."""
        folder = self.deployment_folder(name)
        for app in folder.iterdir() if folder.exists() else ():
            if app.name not in keep:
                shutil.rmtree(app, ignore_errors=True)

    def app(self, name: str, revision: str) -> Path:
        """Folder of the files of a revision."""
        return self.deployment_folder(name) / revision

    def deployment_folder(self, name: str) -> Path:
        endpoint, _, deployment = name.partition("/")
        return self._apps / endpoint / deployment

    def _container(
        self, name: InstanceName, prepared: Prepared, ready: ReadyImage, common: Mapping[str, str]
    ) -> ProcessSpec:
        ingredients, image = prepared.ingredients, ready.placed
        inner = ports_of(image.routes)
        outer = dict(zip(inner, free_ports(len(inner)), strict=True))
        contracts = self._places.contracts(name.endpoint, name.deployment)
        contracts.parent.mkdir(mode=0o755, exist_ok=True)
        note(self._places.whereabouts(name), whereabouts_of(image.routes, outer))
        port = image.routes.scoring_route.port
        listen = f"127.0.0.1:{outer[port]}" if ready.host_network else f"0.0.0.0:{port}"
        memory = ingredients.memory_bytes or self._defaults.memory_bytes
        variables = {**common, contract.MEMORY_BYTES: str(memory), **container_variables(ingredients, image, listen)}
        return ProcessSpec(
            name=str(name),
            argv=(),
            environment=variables,
            folder=prepared.app,
            log=self._places.log(name),
            container=Container(
                image=ready.reference,
                ports={port: inner for inner, port in outer.items()},
                mounts=mounts_of(prepared.app, ingredients, image, self._places.shared(name), contracts),
                user=ready.user,
                memory_bytes=memory,
                cpus=image.cpus,
                gpus=image.gpus,
            ),
        )

    def _environment(
        self, ingredients: Ingredients, app: Path, done: Callable[[], None]
    ) -> BuiltEnvironment | ReadyImage | PenstockError | Waiting:
        """The environment, or why there is none, or what it waits for."""
        image = ingredients.image
        if image is not None:
            return self._images.ready(image, app, done) or waiting_for(image)
        noted = read_build(app)
        built = self._environments.built(noted) if noted is not None else None
        if built is not None:
            return built
        return built_for(ingredients.requirements, self._environments, self._builds, done)
