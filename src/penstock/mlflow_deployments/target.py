"""What a target URI such as `penstock://host:8700` names. Pure."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from penstock.domain.errors import invalid

SCHEME = "penstock"
FLAVOR = "python_function"


def platform_url(target: str) -> str | None:
    """The platform's URL; None for `penstock` alone: PENSTOCK_URL, else the platform of this machine."""
    parts = urlsplit(target)
    if target == SCHEME or (parts.scheme == SCHEME and not parts.netloc and parts.path in ("", "/")):
        return None
    if parts.scheme != SCHEME or not parts.hostname or parts.path not in ("", "/") or parts.query or parts.username:
        raise invalid(f"target {target!r} is not understood: write penstock://HOST:PORT, or penstock")
    return f"http://{parts.netloc}"


@dataclass(frozen=True)
class Place:
    """A deployment and its endpoint. `own`: the endpoint is there for this deployment alone."""

    endpoint: str
    deployment: str

    @property
    def own(self) -> bool:
        return self.endpoint == self.deployment

    @property
    def key(self) -> str:
        return f"{self.endpoint}/{self.deployment}"

    @property
    def name(self) -> str:
        """By which MLflow's callers find it among the deployments of all endpoints."""
        return self.deployment if self.own else self.key


def place(name: str, endpoint: str | None) -> Place:
    """`blue` of endpoint `fraud`, `fraud/blue`, or a deployment that has an endpoint of its own by the same name."""
    if endpoint is not None:
        return Place(endpoint, name.removeprefix(f"{endpoint}/"))
    first, slash, last = name.partition("/")
    return Place(first, last if slash else first)


def check_flavor(flavor: str | None) -> str:
    if flavor not in (None, FLAVOR):
        raise invalid(f"flavor {flavor!r} is not served by itself: models are served as {FLAVOR}; leave it out")
    return FLAVOR
