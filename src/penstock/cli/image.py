"""`penstock image`: container images, built on the machine where this is typed; no platform is needed for it."""

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.command import command, noun
from penstock.cli.connection import connect
from penstock.cli.errors import notice
from penstock.cli.flags import Version
from penstock.cli.image_sources import read_source
from penstock.cli.show import table
from penstock.domain.errors import invalid
from penstock.settings import from_environment
from penstock.version import VERSION

if TYPE_CHECKING:
    from penstock.containers.images import Images
    from penstock.domain.environment import InferenceConfig

NOUN = "image"
app = noun("Container images.")

_BUILT = table("tag", "image")
_LISTED = table("tag", "worker_version", "size_mb", "created_at", "image")
_SCRATCH = "scratch"


@dataclass(frozen=True)
class Sending:
    """Flags that say where an image goes, and how the registry is spoken to."""

    push: Annotated[
        str | None, typer.Option("--push", metavar="REGISTRY/NAME:TAG", help="Send it to a registry, as this.")
    ] = None
    tls_verify: Annotated[
        bool | None,
        typer.Option(
            "--tls-verify/--no-tls-verify",
            help="Ask registries for a trusted certificate.  [default: all but those on this machine]",
            show_default=False,
        ),
    ] = None


@command(
    app,
    "base",
    example="penstock image base --push registry.example.com/ml/inference:1\n"
    "penstock image base --from nvidia/cuda:12.4.1-runtime-ubuntu22.04 --tag inference-cuda\n"
    "penstock image base --from scratch --rootfs debian.tar",
    text=_BUILT,
)
def base(
    start: Annotated[str | None, typer.Option("--from", help="Image to begin from, or scratch.")] = None,
    rootfs: Annotated[
        Path | None, typer.Option("--rootfs", help="With --from scratch: a root file system, tar file or folder.")
    ] = None,
    tag: Annotated[
        str, typer.Option("--tag", "-t", help="Its name on this machine.")
    ] = f"penstock/inference:{VERSION}",
    *,
    sending: Sending,
) -> Any:
    """Build Penstock's inference image: worker and Python environment in Azure ML's layout, to build others from."""
    from penstock.containers.base_image import DEFAULT_BASE, base_labels, write_base_context
    from penstock.environments.installed_wheel import installed_wheel
    from penstock.environments.worker_wheel import worker_needs, worker_wheel
    from penstock_worker.contract import VERSION as WORKER_VERSION

    if (rootfs is not None) != (start == _SCRATCH):
        raise invalid("--rootfs FILE and --from scratch go together: give both, or an image with --from")
    images = _images(sending.tls_verify)
    begin = _root(images, rootfs) if rootfs is not None else start or DEFAULT_BASE
    worker = worker_wheel()
    with TemporaryDirectory(prefix="penstock-") as folder:
        needs = (need.name for need in worker_needs() if need.marker is None or need.marker.evaluate())
        write_base_context(Path(folder), begin, {worker.name: worker.content, **dict(map(installed_wheel, needs))})
        labels = base_labels(begin, VERSION, WORKER_VERSION)
        built = images.build(Path(folder), "Dockerfile", tag, sys.stderr, labels)
    return _described(images, tag, built, sending.push)


@command(
    app,
    "build",
    example="penstock image build -f Dockerfile --tag fraud:3 --push registry.example.com/ml/fraud:3\n"
    "penstock image build -f environment.yml --tag fraud:3 --name fraud",
    text=_BUILT,
)
def build(
    file: Annotated[
        Path, typer.Option("--file", "-f", help="Dockerfile, or an environment's YAML.", show_default=False)
    ],
    tag: Annotated[str, typer.Option("--tag", "-t", help="Its name on this machine.", show_default=False)],
    context: Annotated[
        Path | None, typer.Option("--context", help="Folder that the Dockerfile copies from.  [default: its own]")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", "-n", help="Register it as an environment of this name.")
    ] = None,
    version: Version = None,
    *,
    sending: Sending,
) -> Any:
    """Build an image, send it to a registry if asked to, and show the digest under which it stays the same."""
    from penstock.containers.base_image import base_tag

    if version is not None and name is None:
        raise invalid("--version is the registered environment's: give its name with --name")
    if name is not None:
        with connect() as client:  # a platform that does not answer must be known before the build
            client.status()
    images = _images(sending.tls_verify)
    with TemporaryDirectory(prefix="penstock-") as made:
        source = read_source(file, context, Path(made), base_tag(VERSION))
        for sentence in source.notices:
            notice(sentence)
        built = images.build(source.context, source.dockerfile, tag, sys.stderr)
    described = _described(images, tag, built, sending.push)
    if name is None:
        return described
    registered = _registered(name, version, described["image"], source.inference_config)
    return {**described, "environment": registered}


@command(app, "list", example="penstock image list", text=_LISTED)
def list_all() -> Any:
    """List the images of this machine that have Penstock's worker in them."""
    from penstock.containers.base_image import WORKER_VERSION

    return [
        {
            "tag": tag,
            "worker_version": image["Config"]["Labels"][WORKER_VERSION],
            "size_mb": round(image["Size"] / 1e6),
            "created_at": image["Created"],
            "image": next(iter(image.get("RepoDigests") or ()), image["Id"]),
        }
        for image in _images(None).labelled(WORKER_VERSION)
        for tag in image["RepoTags"]
    ]


def _images(tls_verify: bool | None) -> "Images":
    from penstock.containers.images import Images
    from penstock.containers.tool import find_tool

    settings = from_environment()
    tool = find_tool(settings.environ, settings.container_tool, settings.container_network)
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Images(tool, settings.home / "images", settings.environ, tls_verify=tls_verify)


def _root(images: "Images", rootfs: Path) -> str:
    """The image that the root file system is, made if it is not there."""
    from penstock.containers.base_image import root_archive, root_tag

    with TemporaryDirectory(prefix="penstock-") as folder:
        archive = root_archive(rootfs.absolute(), Path(folder))
        tag = root_tag(archive)
        if not images.present(tag):
            notice(f"importing {rootfs}")
            images.import_root(archive, tag, sys.stderr)
    return tag


def _described(images: "Images", tag: str, built: str, destination: str | None) -> dict[str, Any]:
    pinned = images.push(tag, destination, sys.stderr) if destination else images.resolve(tag, sys.stderr)
    return {"tag": tag, "id": built, "image": pinned}


def _registered(name: str, version: str | None, image: str, config: "InferenceConfig | None") -> str:
    from penstock.domain.environment import Environment

    environment = Environment(name=name, version=version, image=image, inference_config=config)
    with connect() as client:
        applied = client.environments.create_or_update(environment)
    for sentence in applied.notices:
        notice(sentence)
    return f"azureml:{applied.resource.name}"
