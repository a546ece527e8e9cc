"""What `penstock image build -f` means: a Dockerfile in its folder, or an environment's YAML."""

from dataclasses import dataclass
from pathlib import Path

from penstock.cli.documents import Document, DocumentKind, read_one
from penstock.cli.sources import inlined
from penstock.domain.environment import Environment, InferenceConfig, Requirements
from penstock.domain.errors import invalid
from penstock.domain.fields import parse

_YAML = (".yml", ".yaml")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A folder to build from and a Dockerfile in it, and what the environment says of the server in the image."""

    context: Path
    dockerfile: str
    inference_config: InferenceConfig | None = None
    notices: tuple[str, ...] = ()


def read_source(file: Path, context: Path | None, made: Path, base: str) -> Source:
    """What is to be built. For packages on an image (`base` if the YAML names none), a folder is written to `made`."""
    if not file.is_file():
        raise invalid(f"there is no file {file}: give a Dockerfile or an environment's YAML with --file")
    if file.suffix.lower() not in _YAML:
        return _dockerfile(file, context or file.parent)
    document = inlined(read_one(file, DocumentKind.ENVIRONMENT))
    environment = parse(Environment, document.fields, document.source)
    if environment.build is not None:
        folder = document.folder / environment.build.path
        return Source(
            context=folder.absolute(),
            dockerfile=environment.build.dockerfile_path,
            inference_config=environment.inference_config,
        )
    return _packages(environment, document, made, base)


def _dockerfile(file: Path, context: Path) -> Source:
    folder, path = context.resolve(), file.resolve()
    if not path.is_relative_to(folder):
        raise invalid(f"{file} is not in the folder to build from, {context}: put it there, or give another --context")
    return Source(context=folder, dockerfile=str(path.relative_to(folder)))


def _packages(environment: Environment, document: Document, made: Path, base: str) -> Source:
    from penstock.containers.package_image import write_package_context
    from penstock.environments.reading import read_environment

    requirements = Requirements()
    if environment.conda_file is not None or environment.requirements is not None:
        bare = environment.model_copy(update={"image": None, "inference_config": None})
        requirements = read_environment(bare, lambda _: None)
    elif environment.image is None:
        raise invalid(f"{document.source} does not say what to build: give image, build, conda_file or requirements")
    write_package_context(made, environment.image or base, requirements.packages)
    asked = requirements.python
    own = (f"Python {asked} was asked for; the image's own is used",) if asked else ()
    return Source(
        context=made,
        dockerfile="Dockerfile",
        inference_config=environment.inference_config,
        notices=(*own, *requirements.notices),
    )
