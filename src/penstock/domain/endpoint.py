"""Online endpoints: a stable URL with keys, and the shares of its traffic that each deployment gets."""

from typing import Any

from pydantic import Field, field_validator, model_validator

from penstock.domain import compat
from penstock.domain.resource import Frozen, Kind, Status

MAX_MIRROR_PERCENT = 50  # Azure's limit for mirror_traffic


class OnlineEndpoint(Frozen):
    """Azure's managed and Kubernetes online endpoint YAML.

    `traffic` maps deployment names to percents that sum to 0 or 100; `mirror_traffic` names one deployment that is
    sent a copy of that percent of the requests and whose answers are dropped.
    """

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    name: str | None = None
    description: str | None = None
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    auth_mode: str = "key"
    traffic: dict[str, int] = {}
    mirror_traffic: dict[str, int] = {}

    # Accepted for Azure's sake, without effect here; see `ignored_fields`.
    kind: str | None = None
    type: str | None = None
    location: str | None = None
    compute: str | None = None
    identity: dict[str, Any] | None = None
    public_network_access: str | None = None
    defaults: dict[str, Any] | None = None

    @field_validator("auth_mode")
    @classmethod
    def _only_keys(cls, mode: str) -> str:
        if mode.lower() != "key":
            raise ValueError(f"auth_mode {mode!r} is not supported: use key")
        return "key"

    @field_validator("tags", "properties", mode="before")
    @classmethod
    def _text_values(cls, value: Any) -> Any:
        return texts(value)

    @field_validator("properties")
    @classmethod
    def _known_compat(cls, value: dict[str, str]) -> dict[str, str]:
        return compat.checked(value)

    @field_validator("traffic", "mirror_traffic", mode="before")
    @classmethod
    def _absent_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @model_validator(mode="after")
    def _traffic_adds_up(self) -> "OnlineEndpoint":
        """Percents are 0 to 100 and sum to 0 or 100; one mirror, at most 50 %, with no live traffic."""
        for name, percent in {**self.traffic, **self.mirror_traffic}.items():
            if not 0 <= percent <= 100:
                raise ValueError(f"traffic of {name!r} is {percent}: percents are 0 to 100")
        total = sum(self.traffic.values())
        if total not in (0, 100):
            raise ValueError(f"traffic sums to {total}: it must sum to 0 or 100")
        mirrors = {name: percent for name, percent in self.mirror_traffic.items() if percent}
        if len(mirrors) > 1:
            raise ValueError(f"mirror_traffic names {len(mirrors)} deployments: name one")
        for name, percent in mirrors.items():
            if percent > MAX_MIRROR_PERCENT:
                raise ValueError(f"mirror_traffic of {name!r} is {percent}: at most {MAX_MIRROR_PERCENT}")
            if self.traffic.get(name):
                raise ValueError(f"deployment {name!r} cannot take both live and mirrored traffic")
        return self


class KeyHashes(Frozen):
    """SHA-256 of an endpoint's two keys, in upper-case hex."""

    primary: str
    secondary: str


class OnlineEndpointStatus(Status):
    keys: KeyHashes | None = None


ONLINE_ENDPOINT: Kind[OnlineEndpoint, OnlineEndpointStatus] = Kind(
    "online-endpoint", OnlineEndpoint, OnlineEndpointStatus
)

IGNORED = ("kind", "type", "location", "compute", "identity", "public_network_access", "defaults")


def ignored_fields(endpoint: OnlineEndpoint) -> tuple[str, ...]:
    """Fields that were given and have no effect on one's own machines."""
    return tuple(name for name in IGNORED if getattr(endpoint, name) is not None)


def texts(value: Any) -> Any:
    """A mapping with its numbers and booleans as text, as Azure's clients send them; else `value` unchanged."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        return value
    pairs: dict[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
    return {k: str(v).lower() if isinstance(v, bool) else str(v) if v is not None else "" for k, v in pairs.items()}
