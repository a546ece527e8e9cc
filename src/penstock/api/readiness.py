"""Whether a control plane is of use just now, asked of all that it needs, and known within seconds whatever they do."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import anyio
import anyio.to_thread
from fastapi.responses import JSONResponse

from penstock.control.lease import Leadership
from penstock.domain.errors import PenstockError, unavailable
from penstock.gateway.base import Gateway
from penstock.store.base import Store

_SECONDS = 2.5  # the gateway itself is given two
_AT_A_TIME = 8

Check = Callable[[], str]  # returns what is so in a word; raises PenstockError with what is wrong


@dataclass
class _Asked:
    done: threading.Event
    ok: bool = False
    message: str = ""


class Readiness:
    """Asks all `checks` at the same time. One that hangs is not asked again before it has answered."""

    def __init__(self, checks: Mapping[str, Check], seconds: float = _SECONDS) -> None:
        self._checks = checks
        self._seconds = seconds
        self._asked: dict[str, _Asked] = {}
        self._lock = threading.Lock()
        self._limiter: anyio.CapacityLimiter | None = None

    def ask(self) -> Mapping[str, tuple[bool, str]]:
        """For each check whether it is well, and in words how it is."""
        with self._lock:
            asked = {name: self._begun(name, check) for name, check in self._checks.items()}
        deadline = time.monotonic() + self._seconds
        found: dict[str, tuple[bool, str]] = {}
        for name, one in asked.items():
            ended = one.done.wait(max(0.0, deadline - time.monotonic()))
            found[name] = (one.ok, one.message) if ended else (False, f"no answer within {self._seconds:g} s")
        return found

    async def answer(self, **more: str) -> JSONResponse:
        """200 if all is well, else 503; with each check. Threads of their own: those of other calls may all hang."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(_AT_A_TIME)
        found = await anyio.to_thread.run_sync(self.ask, limiter=self._limiter)
        ready = all(ok for ok, _ in found.values())
        checks = {name: {"ok": ok, "message": message} for name, (ok, message) in found.items()}
        body = {"status": "ready" if ready else "not ready", **more, "checks": checks}
        return JSONResponse(body, 200 if ready else 503, {"Cache-Control": "no-store"})

    def _begun(self, name: str, check: Check) -> _Asked:
        known = self._asked.get(name)
        if known is None or known.done.is_set():
            known = self._asked[name] = _Asked(threading.Event())
            # A daemon: the end of the process must not wait for a database that hangs.
            threading.Thread(target=_run, args=(check, known), name=f"check-{name}", daemon=True).start()
        return known


def checks(store: Store, gateway: Gateway, leadership: Leadership) -> Mapping[str, Check]:
    """What a control plane that leads needs."""

    def store_answers() -> str:
        store.last_events(limit=1)
        return "answers"

    def gateway_answers() -> str:
        if not gateway.alive():
            raise unavailable("does not answer")
        return "answers"

    return {"store": store_answers, "gateway": gateway_answers, "leader": leadership.describe}


def _run(check: Check, asked: _Asked) -> None:
    try:
        asked.message, asked.ok = check(), True
    except PenstockError as err:
        asked.message = err.message
    except Exception as err:  # noqa: BLE001 - top of a thread; whatever it is, it is not well
        asked.message = f"{type(err).__name__}: {err}"
    finally:
        asked.done.set()
