"""From a deployment's spec to what its processes are made of: models, code and environments looked up and laid out."""

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from penstock import durable
from penstock.artifacts.base import Artifacts
from penstock.control.resources import Resources
from penstock.domain.artifact import ArtifactReference, Tree, parse_artifact_reference
from penstock.domain.compat import is_strict
from penstock.domain.deployment import CodeConfiguration, OnlineDeployment
from penstock.domain.endpoint import ONLINE_ENDPOINT
from penstock.domain.environment import Environment, Requirements
from penstock.domain.errors import PenstockError, invalid, not_found
from penstock.domain.model import Model, ModelType
from penstock.domain.names import AssetReference, check_asset_name, parse_asset_reference
from penstock.domain.quantities import memory_bytes
from penstock.domain.samples import is_skipped
from penstock.environments.base import Environments
from penstock.environments.packaged import mlmodel_of, requirements_of
from penstock.environments.pickles import pickle_faults
from penstock.environments.reading import is_container
from penstock.preparation.collection import collector_file, collector_json
from penstock.preparation.container_images import ContainerImages
from penstock.preparation.environments import find_environment
from penstock.preparation.model_checks import model_faults
from penstock.preparation.models import Models
from penstock.preparation.placed_images import placed_image
from penstock.preparation.readable import let_everybody_read
from penstock.preparation.revisions import (
    Ingredients,
    PlacedCode,
    PlacedImage,
    PlacedModel,
    code_folder,
    model_folder,
)
from penstock.preparation.signatures import columns_of
from penstock.registry.places import Registered, parse_place

_NOT_COLLECTED = "nothing is collected: data_collector has no effect on containers yet"


class Preparation:
    """Resolves specs and lays out files. `images` are for whoever starts containers."""

    def __init__(
        self,
        resources: Resources,
        models: Models,
        artifacts: Artifacts,
        environments: Environments,
        images: ContainerImages,
    ) -> None:
        self._resources = resources
        self._models = models
        self._artifacts = artifacts
        self._environments = environments
        self.images = images

    def pinned(self, spec: OnlineDeployment) -> OnlineDeployment:
        """`spec` with `@latest` references and tags of images replaced by the versions that they mean now.

        Raises `invalid` or `not_found` naming the deployment and the field, and `unavailable` for a container where
        none can run, or while its image is on the way.
        """
        update: dict[str, object] = {}
        with _field_named(spec, "model"):
            reference = _registered_model(spec)
            if reference is not None:
                update["model"] = str(self._models.pinned(reference))
        with _field_named(spec, "environment"):
            container = self._container(spec)
            if container is not None:
                update["environment"] = pinned = self.images.pinned(container)
                limits = spec.resources.limits
                self.images.check(self._image(spec, pinned), limited=bool(limits.cpu or limits.memory))
            elif isinstance(spec.environment, str) and self._environments.curated(spec.environment) is None:
                update["environment"] = f"azureml:{self._registered(spec.environment)[0]}"
        return spec.model_copy(update=update)

    def ingredients(self, name: str, spec: OnlineDeployment) -> Ingredients:
        """What a process of deployment `name` (ENDPOINT/DEPLOYMENT) is made of.

        Raises `invalid` or `not_found` naming the field, for anything that can be seen without running the model.
        """
        with _field_named(spec, "environment"):
            container = self._container(spec)
            image = self._image(spec, container) if container is not None else None
        model, tree = self._model(name, spec, in_container=image is not None)
        code = None if spec.code_configuration is None else self._code(name, spec.code_configuration)
        if code is None and model is None and image is None:
            raise invalid(f"deployment {name!r}: give a model, a code_configuration, or an image that serves by itself")
        if code is None and model is not None and not model.mlflow and image is None:
            raise invalid(
                f"deployment {name!r}: model {model.basename!r} is not an MLflow model (no MLmodel file), "
                "so it needs code_configuration with a scoring script"
            )
        if code is None and model is not None and tree is not None and image is None and not is_skipped(spec):
            self._check(name, model, tree)
        limit = spec.resources.limits.memory
        return Ingredients(
            model=model,
            code=code,
            requirements=self._requirements(spec, model, tree),
            environment_variables=spec.environment_variables,
            memory_bytes=memory_bytes(limit) if limit else None,
            image=image,
            strict=self._strict(name, spec),
            collecting=spec.data_collector.effective() if spec.data_collector and image is None else None,
        )

    def advice(self, name: str, spec: OnlineDeployment) -> Sequence[str]:
        """Sentences about what may keep the deployment from working as its author thinks.

        Raises `invalid` for a model that certainly cannot be unpickled in its environment, and what `ingredients` does.
        """
        ingredients = self.ingredients(name, spec)
        if ingredients.image is not None:
            return (_NOT_COLLECTED,) if spec.data_collector and spec.data_collector.effective() else ()
        build = self._environments.plan(ingredients.requirements)
        model = ingredients.model
        if model is None or not model.mlflow:
            return build.notices
        tree = self._artifacts.tree(model.digest)
        mlmodel = mlmodel_of(lambda path: self._file(model, tree, path)) or {}
        python = build.missing.version if build.missing else build.python_version
        found = pickle_faults(mlmodel, ingredients.requirements, python)
        if found.errors:
            raise invalid(f"deployment {name!r}: model {model.basename!r}: {'; '.join(found.errors)}")
        return (*build.notices, *found.notices)

    def columns(self, name: str, spec: OnlineDeployment) -> Sequence[str]:
        """Names of the columns in the signature of an MLflow model; none if it has none, or there is a script."""
        model, tree = self._model(name, spec, in_container=False)
        if model is None or tree is None or not model.mlflow or spec.code_configuration is not None:
            return ()
        mlmodel = mlmodel_of(lambda path: self._file(model, tree, path)) or {}
        columns = columns_of(mlmodel.get("signature"))
        return () if isinstance(columns, str) else [column.name for column in columns if column.name is not None]

    def fingerprint(self, name: str, spec: OnlineDeployment) -> str:
        """Of the environment that the spec needs. Raises what `ingredients` and `Environments.plan` raise."""
        ingredients = self.ingredients(name, spec)
        if ingredients.image is not None:
            return ingredients.image.fingerprint
        return self._environments.plan(ingredients.requirements).fingerprint

    def place(self, app: Path, ingredients: Ingredients) -> None:
        """Lay model and code out below `app`; what is there already is left alone. Containers may read them."""
        app.mkdir(mode=0o700, parents=True, exist_ok=True)
        if ingredients.model is not None:
            folder = model_folder(app, ingredients.model)
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._artifacts.materialise(ingredients.model.digest, folder, link=True)
            if ingredients.image is not None:
                let_everybody_read(folder)
        if ingredients.code is not None:
            self._artifacts.materialise(ingredients.code.digest, code_folder(app), link=False)
            if ingredients.image is not None:
                let_everybody_read(code_folder(app))
        if ingredients.collecting is not None and not collector_file(app).exists():
            durable.replace(collector_file(app), collector_json(ingredients.collecting))

    def _strict(self, name: str, spec: OnlineDeployment) -> bool:
        endpoint = self._resources.find(ONLINE_ENDPOINT, name.partition("/")[0])
        return is_strict(spec.properties) or (endpoint is not None and is_strict(endpoint.spec.properties))

    def _model(
        self, name: str, spec: OnlineDeployment, *, in_container: bool
    ) -> tuple[PlacedModel | None, Tree | None]:
        if spec.model is None:
            return None, None
        reference = _registered_model(spec)
        if reference is not None:
            version = self._models.placed(reference)
            model = Model(name=version.name, version=version.version, path=version.path, type=version.type)
        else:
            model = spec.model if isinstance(spec.model, Model) else Model(path=str(spec.model))
        digest, basename, tree = self._tree(f"deployment {name!r}: model.path", model.path)
        mlflow = any(e.path == f"{basename}/MLmodel" for e in tree.entries)
        if model.type is ModelType.TRITON and not in_container:
            raise invalid(
                f"deployment {name!r}: triton_model needs an environment with a Triton image and its inference_config"
            )
        if model.type is ModelType.MLFLOW and not mlflow:
            raise invalid(f"deployment {name!r}: type mlflow_model, but {basename!r} has no MLmodel file at its top")
        placed = PlacedModel(
            digest=digest,
            basename=basename,
            name=check_asset_name("model", model.name or name.replace("/", "-")),
            version=check_asset_name("model version", model.version or "1"),
            mlflow=mlflow and model.type is not ModelType.CUSTOM,
        )
        return placed, tree

    def _check(self, name: str, model: PlacedModel, tree: Tree) -> None:
        """Raise `invalid` for an MLflow model that can be seen not to load."""
        files = {e.path.partition("/")[2] for e in tree.entries if e.path.startswith(f"{model.basename}/")}
        faults = model_faults(files, lambda path: self._file(model, tree, path))
        if faults:
            raise invalid(f"deployment {name!r}: model {model.basename!r}: " + "; ".join(faults))

    def _code(self, name: str, code: CodeConfiguration) -> PlacedCode:
        if code.code is None:
            raise invalid(f"deployment {name!r}: code_configuration.code is required: the folder of the scoring script")
        digest, basename, tree = self._tree(f"deployment {name!r}: code_configuration.code", code.code)
        script = PurePosixPath(code.scoring_script)
        paths = [e.path for e in tree.entries]
        if script.is_absolute() or ".." in script.parts or f"{basename}/{script}" not in paths:
            scripts = sorted(p.partition("/")[2] for p in paths if p.endswith(".py"))[:10]
            raise invalid(
                f"deployment {name!r}: scoring_script {code.scoring_script!r} is not in the code folder "
                f"{basename!r}; there are: {', '.join(scripts) or 'no Python files'}"
            )
        return PlacedCode(digest=digest, basename=basename, scoring_script=str(script))

    def _requirements(self, spec: OnlineDeployment, model: PlacedModel | None, tree: Tree | None) -> Requirements:
        environment = spec.environment
        if environment is None and model is not None and model.mlflow and tree is not None:
            return requirements_of(lambda path: self._file(model, tree, path))
        if environment is None:
            return Requirements()
        if isinstance(environment, str):
            curated = self._environments.curated(environment)
            return curated or self._environments.read(self._registered(environment)[1])
        return self._environments.read(environment)

    def _container(self, spec: OnlineDeployment) -> Environment | None:
        """The environment if it is a container's."""
        environment = spec.environment
        if isinstance(environment, str):
            known = self._environments.curated(environment) is not None
            environment = None if known else self._registered(environment)[1]
        if environment is None or not is_container(environment, self._environments.curated):
            return None
        self._environments.read(environment)  # raises for one that makes no sense
        return environment

    def _image(self, spec: OnlineDeployment, environment: Environment) -> PlacedImage:
        context = None
        if environment.build is not None:
            digest, basename, tree = self._tree("build.path", environment.build.path)
            context = ArtifactReference(digest, basename), tree
        return placed_image(spec, environment, context)

    def _registered(self, text: str) -> tuple[str, Environment]:
        """Name (NAME:VERSION) and spec of a registered environment."""
        reference = parse_asset_reference("environment", text)
        found = find_environment(self._resources, reference.name, reference.version)
        return found.name, found.spec

    def _tree(self, field: str, text: str) -> tuple[str, str, Tree]:
        reference = parse_artifact_reference(text)
        if reference is None:
            raise invalid(f"{field} is {text!r}: a local path must be uploaded first, as the penstock command does")
        tree = self._artifacts.tree(reference.digest)
        if "/" in reference.path or not any(PurePosixPath(e.path).parts[0] == reference.path for e in tree.entries):
            raise not_found(f"{field}: {reference.path!r} is not at the top of the uploaded artifact")
        return reference.digest, reference.path, tree

    def _file(self, model: PlacedModel, tree: Tree, path: str) -> bytes | None:
        full = f"{model.basename}/{path}"
        return self._artifacts.read(model.digest, full) if any(e.path == full for e in tree.entries) else None


def _registered_model(spec: OnlineDeployment) -> AssetReference | None:
    """The registered version that the spec names as `azureml:NAME:VERSION` or in MLflow's words, if it names one."""
    path = spec.model.path if isinstance(spec.model, Model) else spec.model
    if path is not None and path.startswith("models:/"):
        place = parse_place(path)
        if not isinstance(place, Registered):
            raise invalid(f"{path} is not registered: `penstock model create --name NAME --path {path}`")
        return AssetReference(place.name, place.version, place.alias)
    return parse_asset_reference("model", spec.model) if isinstance(spec.model, str) else None


@contextmanager
def _field_named(spec: OnlineDeployment, field: str) -> Generator[None]:
    try:
        yield
    except PenstockError as err:
        raise PenstockError(err.code, f"deployment {spec.name!r}: {field}: {err.message}", err.details) from err


def write_build(app: Path, fingerprint: str) -> None:
    """Note which environment a revision was started with, so that a restart of the platform uses the same one."""
    durable.replace(app / "environment.json", json.dumps({"fingerprint": fingerprint}).encode())


def read_build(app: Path) -> str | None:
    """The fingerprint that `write_build` noted, if any."""
    try:
        return str(json.loads((app / "environment.json").read_text())["fingerprint"])
    except (OSError, ValueError, KeyError):
        return None
