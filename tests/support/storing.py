"""What tests of stores put there."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock.domain.deployment import ONLINE_DEPLOYMENT, OnlineDeployment
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint
from penstock.domain.errors import PenstockError
from penstock.domain.events import Event
from penstock.store.base import Store

NOW = datetime(2030, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def happened(name: str = "fraud", kind: str = "online-endpoint", **fields: Any) -> Event:
    given = {"at": NOW, "reason": "Created", "message": "it was", "actor": "alice@host", **fields}
    return Event(kind=kind, name=name, **given)


def described(text: str) -> OnlineEndpoint:
    return OnlineEndpoint(description=text)


def create(store: Store, name: str = "fraud", text: str = "first"):
    return store.create(ONLINE_ENDPOINT, name, described(text), happened(name, generation=1))


def create_deployment(store: Store, name: str):
    spec = OnlineDeployment(model="azureml:m:1")
    return store.create(ONLINE_DEPLOYMENT, name, spec, happened(name, "online-deployment"))


def codes(calls: list[Callable[[], object]]) -> list[str]:
    """Run all at once; `ok` or the error's code for each, sorted."""
    barrier = threading.Barrier(len(calls))

    def outcome(call: Callable[[], object]) -> str:
        barrier.wait()
        try:
            call()
        except PenstockError as err:
            return err.code.value
        return "ok"

    with ThreadPoolExecutor(len(calls)) as pool:
        return sorted(pool.map(outcome, calls))
