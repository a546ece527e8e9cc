"""Wakes deployments that are asleep, when the gateway holds requests for them."""

from collections.abc import Callable
from datetime import timedelta

from penstock.control.loop import STOP, Loop
from penstock.control.resources import PLATFORM, Resources
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.errors import Code, PenstockError
from penstock.domain.resource import Key
from penstock.domain.scale import SCALE, Scale
from penstock.gateway.base import Gateway

_SOON = timedelta(milliseconds=50)  # while anybody is asleep: a part of what a cold start takes
_LATER = timedelta(milliseconds=250)
_EVENT = "Woken"


class Waker:
    """Looks at the gateway while `acting()`. What it holds is a state and no message, so that nothing is forgotten when
    a control plane dies: the next one finds the same requests waiting."""

    def __init__(self, resources: Resources, gateway: Gateway, acting: Callable[[], bool]) -> None:
        self._resources = resources
        self._gateway = gateway
        self._acting = acting
        self._loop = Loop("waker", self.step)

    def start(self) -> None:
        self._loop.start()

    def stop(self, timeout: timedelta = STOP) -> bool:
        """False if the thread did not end in time."""
        return self._loop.stop(timeout)

    def step(self) -> timedelta:
        """Wake whom requests wait for; returns when to look again."""
        if not self._acting():
            return _LATER
        try:
            held = self._gateway.held()
        except PenstockError:  # it is being started again, and the requests have gone with it
            return _LATER
        for name, requests in held.items():
            if requests:
                self._wake(name, requests)
        return _SOON if held else _LATER

    def _wake(self, name: str, requests: int) -> None:
        scale = self._resources.find(SCALE, name)
        if scale is None or scale.spec.instances > 0:
            return  # it has an instance that is starting, or should have
        reason = f"0 -> 1 instance: {requests} requests wait" if requests > 1 else "0 -> 1 instance: a request waits"
        spec, event = Scale(instances=1, reason=reason), (_EVENT, reason)
        try:
            self._resources.apply(SCALE, name, spec, actor=PLATFORM, generation=scale.generation, event=event)
        except PenstockError as err:
            if err.code is not Code.CONFLICT:  # then the scaler was first
                raise
        self._resources.enqueue(Key(ONLINE_DEPLOYMENT.name, name))
