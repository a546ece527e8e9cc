"""Stands in for `azureml.ai.monitoring` where that is not installed: records go to the instance's collector at once."""

from __future__ import annotations

import sys
import time
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

from penstock_worker.record import Content, Record

if TYPE_CHECKING:
    from penstock_worker.collector import Collector as Records

_collector: Records | None = None
_FULL = "the queue of collected records is full, drop the data"


def collect_with(collector: Records) -> None:
    """Have the Collectors of scripts, made from now on, hand their records to `collector`."""
    global _collector  # noqa: PLW0603 - Azure's constructor takes no such argument
    _collector = collector


class CorrelationContext:
    """What records of different collections have in common."""

    def get_id(self) -> str:
        return ""

    def __str__(self) -> str:
        return self.get_id()

    def __repr__(self) -> str:
        return self.get_id()


class BasicCorrelationContext(CorrelationContext):
    """An id, a time in seconds since 1970, and headers; id and time are made up if they are not given."""

    def __init__(
        self,
        id: str | None = None,
        timestamp: int | None = None,
        headers: dict[str, Any] | None = None,
    ) -> None:
        self.id = id or str(uuid.uuid4())
        self.timestamp = timestamp or int(time.time())
        self.headers = headers or {}

    def get_id(self) -> str:
        return self.id

    def get_timestamp(self) -> int:
        return self.timestamp

    def get_headers(self) -> dict[str, Any]:
        return self.headers


def get_context() -> BasicCorrelationContext:
    """A new context."""
    return BasicCorrelationContext()


class Collector:
    """Collects DataFrames into the collection `name`. What is wrong is told to `on_error`, which raises by default."""

    def __init__(self, *, name: str, on_error: Callable[[Exception], Any] | None = None) -> None:
        self.name = name
        self._told = on_error is not None
        self.on_error: Callable[[Exception], Any] = on_error or _raise
        self._ready()

    def collect(self, data: Any, correlation_context: Any = None) -> Any:
        """Keep `data` as it is now, and return the context to collect with what belongs to it."""
        context = get_context() if correlation_context is None else correlation_context
        collector = self._ready()
        identifier = str(context.get_id())
        if collector is None or not collector.wants(self.name, identifier.encode("utf-8")):
            return context
        if "pandas" not in sys.modules or not isinstance(data, sys.modules["pandas"].DataFrame):
            kind = type(data).__name__
            self.on_error(TypeError(f"data type ({kind}) not supported, supported types: pandas.DataFrame"))
            return context
        # Scripts go on with the frame, and write into it.
        record = Record(
            self.name,
            identifier,
            collector.request_id.decode("latin-1"),
            float(context.get_timestamp()),
            int(data.size) * 16,
            partial(_json, data.copy()),
            model_version="default",
            extra={str(name): str(value) for name, value in context.get_headers().items()},
        )
        if not collector.put(record) and self._told:
            self.on_error(Exception(_FULL))
        return context

    def _ready(self) -> Records | None:
        """The collector that takes records of this name, if there is one; else `on_error` is told."""
        if not self.name:
            self.on_error(Exception("collection name is not provided"))
        elif _collector is None:
            self.on_error(Exception("data collection is not enabled: give the deployment a data_collector"))
        elif self.name not in _collector.collections.rates:
            told = (
                f"collection {self.name} is not enabled: add it to the collections of the deployment's data_collector"
            )
            self.on_error(Exception(told))
        else:
            return _collector
        return None


def _json(frame: Any) -> Content:
    return Content(frame.to_json(orient="records").encode("utf-8"))


def _raise(error: Exception) -> None:
    raise error
