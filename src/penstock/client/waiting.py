"""Waiting until a resource is as it was asked to be, or until it is certain that it will not be."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from penstock.client.resources import AnyRemote
from penstock.domain.errors import Code, PenstockError, conflict, failed, not_found, unavailable
from penstock.domain.resource import Condition

Fetch = Callable[[], AnyRemote]
OnProgress = Callable[[Condition], None]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 0.3  # seconds between two looks


def wait_ready(
    fetch: Fetch,
    generation: int,
    timeout: timedelta,
    on_progress: OnProgress,
    sleep: Callable[[float], None] = time.sleep,
) -> AnyRemote:
    """The resource, once `generation` of it is ready; each condition is reported when it changes.

    Raises `failed` with the Ready condition's message if it cannot become ready (`details` has the user's
    traceback or the build's log), `conflict` if somebody changed it again meanwhile, `not_found` if it was
    deleted, `unavailable` after `timeout`.
    """
    seen: tuple[Condition, ...] = ()
    for _ in _looks(timeout, sleep):
        resource = fetch()
        for condition in news(seen, resource, generation):
            on_progress(condition)
        if resource.status.observed_generation >= generation:
            seen = resource.status.conditions
        if settled(resource, generation):
            return resource
    raise unavailable(f"{_named(fetch())} is not ready after {_words(timeout)}; it goes on, look again later")


def wait_gone(
    fetch: Fetch,
    going: AnyRemote,
    timeout: timedelta,
    on_progress: OnProgress,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return once the resource `going`, which is being deleted, is gone. Raises `unavailable` after `timeout`."""
    seen = going.status.conditions
    for _ in _looks(timeout, sleep):
        try:
            resource = fetch()
        except PenstockError as err:
            if err.code is Code.NOT_FOUND:
                return
            raise
        if resource.uid != going.uid:
            return
        for condition in news(seen, resource, resource.generation):
            on_progress(condition)
        seen = resource.status.conditions
    raise unavailable(f"{_named(going)} is not deleted after {_words(timeout)}; it goes on, look again later")


def news(seen: Sequence[Condition], resource: AnyRemote, generation: int) -> list[Condition]:
    """The conditions that say something new about `generation`; those of an earlier one are old hat."""
    if resource.status.observed_generation < generation:
        return []
    told = {c.name: (c.truth, c.reason, c.message) for c in seen}
    return [c for c in resource.status.conditions if told.get(c.name) != (c.truth, c.reason, c.message)]


def settled(resource: AnyRemote, generation: int) -> bool:
    """True if `generation` is ready, False if it may become so; raises the error that says why it will not."""
    if resource.deleting_since is not None:
        raise not_found(f"{_named(resource)} is being deleted")
    if resource.generation > generation:
        raise conflict(f"{_named(resource)} was changed again meanwhile; see `penstock events -n {resource.name}`")
    if resource.provisioning_state == "Failed" and resource.status.observed_generation == generation:
        raise _failure(resource)
    return resource.provisioning_state == "Succeeded" and resource.generation == generation


def _failure(resource: AnyRemote) -> PenstockError:
    ready = resource.status.condition("Ready")
    message = f"{_named(resource)} failed" + (f": {ready.message}" if ready is not None and ready.message else "")
    text: str | None = getattr(resource.status, "failure", None)
    if not text:
        return failed(message)
    return failed(message, {"traceback" if "Traceback" in text else "log": text})


def _looks(timeout: timedelta, sleep: Callable[[float], None]) -> Iterator[None]:
    """One turn per look, with growing pauses between, until their sum passes the timeout."""
    left, pause = timeout.total_seconds(), _FIRST_PAUSE
    while left > 0:
        yield
        sleep(pause)
        left -= pause
        pause = min(1.5 * pause, _LONGEST_PAUSE)


def _named(resource: AnyRemote) -> str:
    return f"{resource.kind.replace('-', ' ')} {resource.name!r}"


def _words(timeout: timedelta) -> str:
    return f"{timeout.total_seconds():.0f} s"
