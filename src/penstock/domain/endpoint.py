"""Online endpoints: a stable URL with keys, and the shares of its traffic that each deployment gets."""

from typing import Any

from pydantic import Field, field_validator, model_validator

from penstock.domain import compat, shadow, sticky
from penstock.domain.resource import Frozen, Kind, Status

STRICT_MIRROR_PERCENT = 50  # Azure's limit for mirror_traffic


class OnlineEndpoint(Frozen):
    """Azure's managed and Kubernetes online endpoint YAML.

    `traffic` maps deployment names to percents that sum to 0 or 100; `mirror_traffic` maps deployments (shadows) to the
    percent of the requests of which they get a copy, and whose answers to those no caller sees. A request that a
    shadow answers itself is not copied to it.
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
    def _known_properties(cls, value: dict[str, str]) -> dict[str, str]:
        return shadow.checked(sticky.checked(compat.checked(value)))

    @field_validator("traffic", "mirror_traffic", mode="before")
    @classmethod
    def _absent_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @model_validator(mode="after")
    def _traffic_adds_up(self) -> "OnlineEndpoint":
        """Percents are 0 to 100, those of live traffic sum to 0 or 100, and a shadow has something left to copy."""
        for name, percent in (*self.traffic.items(), *self.mirror_traffic.items()):
            if not 0 <= percent <= 100:
                raise ValueError(f"traffic of {name!r} is {percent}: percents are 0 to 100")
        total = sum(self.traffic.values())
        if total not in (0, 100):
            raise ValueError(f"traffic sums to {total}: it must sum to 0 or 100")
        for name in self.shadows:
            if self.traffic.get(name) == 100:
                raise ValueError(f"deployment {name!r} answers all requests: there are none to mirror to it")
        if compat.is_strict(self.properties):
            self._check_azures_mirror()
        return self

    @property
    def shadows(self) -> dict[str, int]:
        """The deployments that are sent copies, with the percent of the requests."""
        return {name: percent for name, percent in self.mirror_traffic.items() if percent}

    def _check_azures_mirror(self) -> None:
        lifted = f"; without property {compat.PROPERTY} there is no such limit"
        if len(self.shadows) > 1:
            raise ValueError(f"mirror_traffic names {len(self.shadows)} deployments: name one{lifted}")
        for name, percent in self.shadows.items():
            if percent > STRICT_MIRROR_PERCENT:
                raise ValueError(f"mirror_traffic of {name!r} is {percent}: at most {STRICT_MIRROR_PERCENT}{lifted}")
            if self.traffic.get(name):
                raise ValueError(f"deployment {name!r} cannot take both live and mirrored traffic{lifted}")


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
