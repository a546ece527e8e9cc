"""How images are named: `[REGISTRY/]NAME[:TAG][@DIGEST]`, and what a name says of where the image is."""

import ipaddress
import re
from dataclasses import dataclass

from penstock.domain.errors import invalid

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_REFERENCE = re.compile(
    r"(?P<name>(?:(?:[a-z0-9][\w.-]*|\[[0-9a-f:.]+\])(?::\d+)?/)?[a-z0-9][\w.-]*(?:/[\w.-]+)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?\Z",
    re.ASCII | re.IGNORECASE,
)
_LONGEST = 512


@dataclass(frozen=True)
class Reference:
    """An image's name in its parts."""

    name: str  # with the registry, without tag and digest
    tag: str | None
    digest: str | None

    @property
    def registry(self) -> str | None:
        """The registry's host and port; None for a name that does not say one, or that means this machine."""
        first, slash, _ = self.name.partition("/")
        named = "." in first or ":" in first
        return first if slash and named else None

    @property
    def loopback(self) -> bool:
        """Whether the registry is one of this machine, as tests and single hosts have: plain HTTP will do."""
        host = re.sub(r":\d+\Z", "", self.registry or "").strip("[]")
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def pinned(self, digest: str) -> str:
        return f"{self.name}@{digest}"


def read_reference(text: str) -> Reference:
    """The parts of an image's name; raises `invalid` if it is none."""
    match = _REFERENCE.match(text) if len(text) <= _LONGEST else None
    if match is None:
        raise invalid(f"{text[:200]!r} is not the name of an image: write REGISTRY/NAME:TAG or NAME@sha256:DIGEST")
    return Reference(match["name"], match["tag"], match["digest"])


def is_image_id(text: str) -> bool:
    """Whether `text` is the id of an image, which only the machine that has it knows."""
    return _DIGEST.match(text) is not None
