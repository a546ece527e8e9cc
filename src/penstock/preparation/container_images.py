"""Images of containers: pinned when a deployment is applied, fetched or built in the background before it starts."""

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import IO

from penstock import durable
from penstock.artifacts.base import Artifacts
from penstock.containers.images import Images
from penstock.containers.tool import Tool
from penstock.domain.environment import Environment
from penstock.domain.errors import Code, PenstockError, failed, full_disk_named, invalid
from penstock.domain.resource import Frozen
from penstock.engines.container_command import gpu_fault
from penstock.preparation.background import Background
from penstock.preparation.readable import let_everybody_read
from penstock.preparation.revisions import PlacedImage

_PATIENCE = 15.0  # seconds that a caller waits for an image's digest before it is told to ask again
_NOTE = "image.json"
_LONGEST_NOTE = 4096  # bytes


class ReadyImage(Frozen):
    """An image that this machine has, and how it is run."""

    placed: PlacedImage
    reference: str  # a pinned name or an id
    user: str  # the one that it is made for; empty: none
    host_network: bool  # containers of this machine use the host's network: their ports are not published

    @property
    def fingerprint(self) -> str:
        return self.placed.fingerprint


class ContainerImages:
    """`tool` and `images` are called when they are needed, and raise `unavailable` where containers cannot run.

    `folder` is for build contexts while they are built, `log` says where the output of a fingerprint's work goes.
    """

    def __init__(
        self,
        tool: Callable[[], Tool],
        images: Callable[[], Images],
        artifacts: Artifacts,
        folder: Path,
        log: Callable[[str], Path],
    ) -> None:
        self._tool = tool
        self._images = images
        self._artifacts = artifacts
        self._folder = folder
        self._log = log
        self._pins: Background[str] = Background("pin")
        self._work: Background[ReadyImage] = Background("image")

    def pinned(self, environment: Environment) -> Environment:
        """`environment` with its image's tag replaced by the digest that it means now.

        Raises what `Images.resolve` does, and `unavailable` with `details["retry_after"]` while the image is fetched.
        """
        image = environment.image
        self._tool()
        if image is None:
            return environment
        outcome = self._pins.outcome(image, lambda: self._images().resolve(image), patience=_PATIENCE)
        if outcome is None:
            raise PenstockError(Code.UNAVAILABLE, f"image {image!r} is being fetched", {"retry_after": "1"})
        if isinstance(outcome, PenstockError):
            self._pins.retry(image)
            raise outcome
        return environment.model_copy(update={"image": outcome})

    def check(self, image: PlacedImage, *, limited: bool) -> None:
        """Raise `invalid` for what this machine cannot give a container; `limited` ones have limits of their own."""
        tool = self._tool()
        fault = gpu_fault(tool) if image.gpus else None
        if fault is not None:
            raise invalid(f"resources.limits asks for {image.gpus} GPUs, and {fault}")
        if limited and not tool.can_limit:
            raise invalid(
                "resources.limits are not kept for an ordinary user's containers on this machine, whose cgroups are of "
                "version 1: run the platform as root, boot with cgroups of version 2, or leave the limits out"
            )
        if tool.network == "host" and image.has_own_server:
            raise invalid(
                "a server with ports of its own needs a network of its own, which containers do not get here: install "
                "slirp4netns or iptables"
            )

    def ready(self, image: PlacedImage, app: Path, done: Callable[[], None]) -> ReadyImage | PenstockError | None:
        """The image, or why it cannot be had, or None while it is fetched or built; then `done` is called.

        `app` is the folder where `note` keeps what a revision was started with.
        """
        noted = _noted(app)
        if noted is not None and noted.placed == image:
            return noted
        return self._work.outcome(image.fingerprint, lambda: self._get(image), done)

    def note(self, app: Path, image: ReadyImage) -> None:
        """Have later starts of this revision take the very same image, without asking."""
        if _noted(app) != image:
            durable.replace(app / _NOTE, image.model_dump_json().encode())

    def retry(self, image: PlacedImage) -> None:
        """Let the next `ready` try anew what has failed."""
        self._work.retry(image.fingerprint)

    def close(self) -> None:
        self._pins.close()
        self._work.close()

    def _get(self, image: PlacedImage) -> ReadyImage:
        log = self._log(image.fingerprint)
        with full_disk_named(log.parent), _private(log) as file:
            reference = self._built(image, file) if image.context else self._pulled(image, file)
        tool = self._tool()
        answer = tool.ask("image", "inspect", "--format", "{{.Config.User}}", reference, limit=timedelta(seconds=30))
        if answer.status != 0:
            raise failed(f"image {reference!r} was removed by somebody: deploy again", {"log": answer.errors})
        return ReadyImage(
            placed=image,
            reference=reference,
            user=answer.output.strip(),
            host_network=tool.network == "host",
        )

    def _pulled(self, image: PlacedImage, log: IO[str]) -> str:
        log.write(f"fetching image {image.reference}\n")
        self._images().pull(image.reference, log)
        return image.reference

    def _built(self, image: PlacedImage, log: IO[str]) -> str:
        context = self._folder / image.fingerprint
        try:
            self._artifacts.materialise(image.context, context, link=True)
            let_everybody_read(context)  # what is copied into the image keeps its mode
            tag = f"localhost/penstock/{image.fingerprint}"
            return self._images().build(context / image.folder, image.dockerfile, tag, log)
        finally:
            shutil.rmtree(context, ignore_errors=True)


def _noted(app: Path) -> ReadyImage | None:
    try:
        with (app / _NOTE).open("rb") as file:
            return ReadyImage.model_validate_json(file.read(_LONGEST_NOTE))
    except (OSError, ValueError):
        return None


def _private(path: Path) -> IO[str]:
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8")
