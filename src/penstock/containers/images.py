"""Images of containers: found by name, pinned by digest, fetched, built and sent to registries."""

from collections.abc import Mapping
from pathlib import Path
from typing import IO

from penstock.containers.tool import Tool


class Images:
    """The images that `tool` has and can get. `folder` is the platform's own, for locks and files of builds."""

    def __init__(self, tool: Tool, folder: Path, environ: Mapping[str, str]) -> None:
        self._tool = tool
        self._folder = folder
        self._environ = environ

    def resolve(self, reference: str, log: IO[str] | None = None) -> str:
        """`reference` as `NAME@sha256:DIGEST`, or `sha256:ID` for an image that only this machine has (docker).

        An image with a registry's name is fetched to learn its digest, which may take minutes; one that this machine
        alone has is taken as it is, also while the registry cannot be reached. Raises `not_found`, `denied`
        (credentials), `unavailable` (unreachable registry) or `failed` (TLS), all with the remedy.
        """
        raise NotImplementedError

    def present(self, pinned: str) -> bool:
        """Whether this machine has the image that `resolve` gave."""
        raise NotImplementedError

    def pull(self, pinned: str, log: IO[str]) -> None:
        """Fetch the image, unless it is here. Raises as `resolve` does."""
        raise NotImplementedError

    def build(self, context: Path, dockerfile: str, tag: str, log: IO[str]) -> str:
        """Build `dockerfile` (a path in `context`), name it `tag`, return its id; at once if that was done before.

        Builds of one tag wait for each other. Raises `failed` with the step that failed and the end of the output,
        or `unavailable` if it may work later.
        """
        raise NotImplementedError

    def push(self, tag: str, destination: str, log: IO[str]) -> str:
        """Send the image to a registry as `destination`, return `NAME@sha256:DIGEST`. Raises as `resolve` does."""
        raise NotImplementedError
