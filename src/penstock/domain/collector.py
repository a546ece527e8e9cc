"""What a deployment wants collected of its requests: Azure's `data_collector`."""

import re
from enum import StrEnum
from typing import Any

from pydantic import Field, field_validator, model_validator

from penstock.domain.resource import Frozen

PAYLOADS = ("request", "response")  # bodies as they come and go; all other collections are of data

_MOST = 5  # collections of data; Azure's limit
_NAME = re.compile(r"[a-z0-9][-_a-z0-9]{0,99}")
_SECRET_HEADERS = frozenset(("authorization", "cookie", "proxy-authorization", "set-cookie"))
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]{1,100}")


class RollingRate(StrEnum):
    """How often the folder of records changes."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


class CollectedData(Frozen):
    """The data asset that Azure makes of a collection. It has no effect here."""

    name: str | None = None
    path: str | None = None
    version: str | None = None

    @field_validator("version", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) else value


class Collection(Frozen):
    """One collection. `enabled` is a text in Azure's files; the sampling rate wins over the collector's."""

    enabled: bool
    sampling_rate: float | None = Field(default=None, ge=0, le=1)
    data: str | CollectedData | None = None
    client_id: str | None = None

    @field_validator("enabled", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value


class RequestLogging(Frozen):
    """Headers that are kept with the bodies of requests, in lower case."""

    capture_headers: tuple[str, ...] = Field(default=(), max_length=50)

    @field_validator("capture_headers")
    @classmethod
    def _headers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(name.lower() for name in value)
        for name in names:
            if name in _SECRET_HEADERS:
                raise ValueError(f"header {name!r} carries secrets, which are not collected: leave it out")
            if not _HEADER.fullmatch(name):
                raise ValueError(f"{name!r} is not the name of a header")
        return names


class Collecting(Frozen):
    """What an instance has to know: the collections that are enabled, with the share of records to keep."""

    rates: dict[str, float]
    rolling: RollingRate
    headers: tuple[str, ...]


class DataCollector(Frozen):
    collections: dict[str, Collection]
    rolling_rate: RollingRate = RollingRate.HOUR
    sampling_rate: float = Field(default=1.0, ge=0, le=1)
    request_logging: RequestLogging = RequestLogging()

    @field_validator("rolling_rate", mode="before")
    @classmethod
    def _rate_in_any_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("collections", mode="before")
    @classmethod
    def _lower_case(cls, value: Any) -> Any:
        # As Azure's package does: a Collector in a script finds its collection by the name in lower case only.
        return {str(name).lower(): inner for name, inner in value.items()} if isinstance(value, dict) else value  # pyright: ignore

    @model_validator(mode="after")
    def _bounded(self) -> "DataCollector":
        for name in self.collections:
            if not _NAME.fullmatch(name):
                raise ValueError(f"collection {name!r}: use up to 100 letters, digits, '-' and '_' for its name")
        if len(set(self.collections) - set(PAYLOADS)) > _MOST:
            raise ValueError(f"collections: give at most {_MOST} besides {' and '.join(PAYLOADS)}")
        return self

    def effective(self) -> Collecting | None:
        """None if nothing is to be collected."""
        rates = {
            name: self.sampling_rate if each.sampling_rate is None else each.sampling_rate
            for name, each in sorted(self.collections.items())
            if each.enabled
        }
        if not rates:
            return None
        return Collecting(rates=rates, rolling=self.rolling_rate, headers=self.request_logging.capture_headers)
