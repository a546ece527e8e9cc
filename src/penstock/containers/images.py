"""Images of containers: found by name, pinned by digest, fetched, built and sent to registries."""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from penstock.commands import Kept, Log
from penstock.containers.build_settings import build_settings
from penstock.containers.contexts import content_digest, dockerfile_in, parents
from penstock.containers.failures import build_failure, exchange_failure
from penstock.containers.references import Reference, is_image_id, read_reference
from penstock.containers.strays import build_folder
from penstock.containers.tool import Tool
from penstock.domain.errors import PenstockError, not_found

CONTENT = "penstock.content"  # label: digest of what an image was built from
_LIMIT = timedelta(minutes=30)
_PUSHED = re.compile(r"digest: (sha256:[0-9a-f]{64})")


class Images:
    """The images that `tool` has and can get. `folder` is the caller's own, for locks and the files of builds.

    `environ` says what builds get of this machine: pip's settings, certificates. With `tls_verify` None, registries
    on this machine may speak plain HTTP and all others must show a certificate that is trusted.
    """

    def __init__(self, tool: Tool, folder: Path, environ: Mapping[str, str], *, tls_verify: bool | None = None) -> None:
        self._tool = tool
        self._folder = folder
        self._environ = environ
        self._tls_verify = tls_verify
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def resolve(self, reference: str, log: Log | None = None) -> str:
        """`reference` as `NAME@sha256:DIGEST`, or `sha256:ID` for an image that only this machine can have (docker).

        What a registry has is fetched, for its digest and for use, which may take minutes. Where that fails and this
        machine has an image of the name, it is taken. Raises `invalid` (no image's name), `not_found`, `denied`
        (credentials), `unavailable` (registry does not answer) or `failed` (certificate), all with the remedy.
        """
        if is_image_id(reference):
            return reference
        named = read_reference(reference)
        if named.digest:
            return named.pinned(named.digest)
        if named.registry is None and (local := self._local(named, reference)):
            return local
        kept = Kept(log)
        if self._fetched(named, reference, kept):
            return self._local(named, reference, registered=True) or self._vanished(reference)
        if local := self._local(named, reference):
            kept.write(f"the image {local} of this machine is taken\n")
            return local
        raise exchange_failure(f"image {reference!r}", kept.text)

    def present(self, pinned: str) -> bool:
        """Whether this machine has the image that `resolve` gave."""
        return self._inspect(pinned) is not None

    def pull(self, pinned: str, log: Log) -> None:
        """Fetch the image that `resolve` gave, unless it is here. Raises as `resolve` does."""
        if self.present(pinned):
            return
        if is_image_id(pinned):
            raise _not_here(pinned)
        kept = Kept(log)
        if not self._fetched(read_reference(pinned), pinned, kept):
            raise exchange_failure(f"image {pinned!r}", kept.text)

    def build(self, context: Path, dockerfile: str, tag: str, log: Log, labels: Mapping[str, str] | None = None) -> str:
        """Build `dockerfile` (a path in `context`), name it `tag`, return its id; at once if that was done before.

        It was done if the image's label says that it came from the same files and the same images to begin from.
        Builds of one tag wait for each other. Raises `failed` with the step that failed and the output's end in
        `details["log"]`, or `unavailable` if it may work later.
        """
        with self._lock(tag):
            begins = self._begins(dockerfile_in(context, dockerfile), log)
            given = {**(labels or {}), CONTENT: content_digest(context, dockerfile, begins)}
            found = self._inspect(tag)
            if found is not None and given.items() <= _labels(found).items():
                return _id(str(found["Id"]))
            return self._built(context, dockerfile, tag, given, log)

    def push(self, tag: str, destination: str, log: Log) -> str:
        """Send the image to a registry as `destination`, return `NAME@sha256:DIGEST`. Raises as `resolve` does."""
        named = read_reference(destination)
        kept = Kept(log)
        if not self.present(tag):
            raise _not_here(tag)
        with build_folder(self._folder) as folder:
            digest = folder / "digest"
            status = 0
            for arguments in self._push_commands(named, tag, destination, digest):
                status = status or self._tool.run(*arguments, log=kept, limit=_LIMIT)
            pushed = digest.read_text().strip() if digest.exists() else _pushed(kept.text)
        if status != 0 or not pushed:
            raise exchange_failure(f"image {destination!r}", kept.text)
        return named.pinned(pushed)

    def labelled(self, label: str) -> list[dict[str, Any]]:
        """The named images of this machine that carry `label`, as `image inspect` describes them."""
        answer = self._tool.ask("images", "--quiet", "--no-trunc", "--filter", f"label={label}")
        ids = dict.fromkeys(answer.output.split())
        found = [self._inspect(image) for image in ids]
        return [image for image in found if image is not None and image.get("RepoTags")]

    def import_root(self, archive: Path, tag: str, log: Log) -> None:
        """Make an image `tag` of a root file system, a tar file."""
        kept = Kept(log)
        if self._tool.run("import", str(archive), tag, log=kept, limit=_LIMIT) != 0:
            raise build_failure(f"image {tag!r} of {archive}", kept.text)

    def _built(self, context: Path, dockerfile: str, tag: str, labels: Mapping[str, str], log: Log) -> str:
        kept = Kept(log)
        with build_folder(self._folder) as folder:
            iid = folder / "iid"
            arguments = ["--file", str(context / dockerfile), "--tag", tag]
            arguments += [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
            arguments += ["--network", "host", "--iidfile", str(iid)]
            arguments += build_settings(self._tool.name, self._environ, folder)
            verify = [f"--tls-verify={str(self._tls_verify).lower()}"] if self._tls_verify is not None else []
            status = self._tool.run("build", *arguments, *verify, str(context), log=kept, limit=_LIMIT)
            if status != 0 or not iid.exists():
                raise build_failure(f"image {tag!r}", kept.text)
            return _id(iid.read_text().strip())

    def _begins(self, dockerfile: Path, log: Log) -> list[str]:
        """Ids of the images that a Dockerfile begins from, as far as they are here.

        Those of a registry on this machine are fetched first, as that may be plain HTTP and the others' may not.
        """
        ids: list[str] = []
        for name in parents(dockerfile):
            named = read_reference(name)
            found = self._inspect(name)
            if named.loopback and (found is None or named.digest is None):
                kept = Kept(log)
                if not self._fetched(named, name, kept) and found is None:
                    raise exchange_failure(f"image {name!r}", kept.text)
                found = self._inspect(name)
            ids.append(str(found["Id"]) if found else name)
        return ids

    def _fetched(self, named: Reference, reference: str, kept: Kept) -> bool:
        if named.name.startswith("localhost/"):
            raise _not_here(reference)
        return self._tool.run("pull", *self._verify(named), reference, log=kept, limit=_LIMIT) == 0

    def _local(self, named: Reference, reference: str, *, registered: bool = False) -> str | None:
        """The pinned name of an image of this machine; with `registered`, by a digest that its registry knows."""
        found = self._inspect(reference)
        if found is None:
            return None
        pinned = _pinned_names(cast(Sequence[str], found.get("RepoDigests") or ()), named.name)
        if registered and len(pinned) > 1:
            # The digest that an image got where it was built stands beside the one under which it was pushed.
            pinned = [name for name in pinned if self._fetched(named, name, Kept(None))] or pinned
        return pinned[0] if pinned else _id(str(found["Id"]))

    def _vanished(self, reference: str) -> str:
        raise not_found(f"image {reference!r} was fetched and then removed by somebody: try again")

    def _inspect(self, image: str) -> dict[str, Any] | None:
        answer = self._tool.ask("image", "inspect", image)
        if answer.status != 0:
            return None
        found = json.loads(answer.output)
        return cast(dict[str, Any], found[0]) if found else None

    def _push_commands(self, named: Reference, tag: str, destination: str, digest: Path) -> list[list[str]]:
        if self._tool.name == "docker":
            return [["tag", tag, destination], ["push", destination]]
        return [["push", *self._verify(named), "--digestfile", str(digest), tag, destination]]

    def _verify(self, named: Reference) -> list[str]:
        """Docker has no such flag: its daemon is told of such registries, and takes those of this machine."""
        verify = not named.loopback if self._tls_verify is None else self._tls_verify
        return [] if self._tool.name == "docker" or verify else ["--tls-verify=false"]

    @contextmanager
    def _lock(self, tag: str) -> Generator[None]:
        """Waits until nobody else builds `tag`; the kernel lets go if the holder dies."""
        name = hashlib.sha256(tag.encode()).hexdigest()[:16]
        descriptor = os.open(self._folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _labels(image: Mapping[str, Any]) -> Mapping[str, str]:
    """Labels of an inspected image."""
    config = cast(Mapping[str, Any], image.get("Config") or {})
    return cast(Mapping[str, str], config.get("Labels") or {})


def _pinned_names(digests: Sequence[str], name: str) -> list[str]:
    """Those of an image's names that `name` may stand for, which may lack its beginning; this machine's own first."""
    fitting = [pinned for pinned in digests if _same(pinned.partition("@")[0], name)]
    return sorted(fitting, key=lambda pinned: not pinned.startswith("localhost/"))


def _same(one: str, other: str) -> bool:
    return one == other or one.endswith(f"/{other}") or other.endswith(f"/{one}")


def _id(image: str) -> str:
    """An image's id as docker writes it, and podman in some places."""
    return image if image.startswith("sha256:") else f"sha256:{image}"


def _not_here(image: str) -> PenstockError:
    return not_found(f"image {image!r} is not on this machine, and no registry has it: build it")


def _pushed(output: str) -> str:
    found = _PUSHED.findall(output)
    return found[-1] if found else ""
