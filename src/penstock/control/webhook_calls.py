"""HTTP to the receivers of events: bounded in time and size whatever they do, redirects not followed."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Literal

import httpx

from penstock.client.transport import reach
from penstock.control.webhook_schedule import Outcome
from penstock.version import VERSION

PATIENCE = timedelta(seconds=10)  # for a whole call, from the look-up of the name to the answer's headers

Send = Callable[[str, Mapping[str, str], bytes], Outcome]


def send(url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
    """Post the body; the answer's status is all that is read of it."""
    outcome, _ = asyncio.run(_call("POST", url, headers, body))
    return outcome


def handshake(url: str, origin: str) -> Literal["allowed", "denied", "unanswered"]:
    """Ask the receiver whether it takes events from `origin` (CloudEvents' web hooks, abuse protection)."""
    outcome, answered = asyncio.run(_call("OPTIONS", url, {"WebHook-Request-Origin": origin}, b""))
    allowed = answered.get("webhook-allowed-origin")
    if not outcome.delivered or allowed is None:
        return "unanswered"
    return "allowed" if "*" in allowed or origin in (each.strip() for each in allowed.split(",")) else "denied"


async def _call(method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[Outcome, Mapping[str, str]]:
    began = time.monotonic()
    try:
        async with (
            asyncio.timeout(PATIENCE.total_seconds()),
            httpx.AsyncClient(timeout=PATIENCE.total_seconds(), follow_redirects=False, **reach(url)) as http,
            http.stream(method, url, headers={"User-Agent": f"Penstock/{VERSION}", **headers}, content=body) as answer,
        ):
            outcome = _outcome(answer.status_code, answer.headers, time.monotonic() - began)
            return outcome, dict(answer.headers)
    except (TimeoutError, httpx.TimeoutException):
        fault = f"no answer within {PATIENCE.total_seconds():.0f} s"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as err:
        fault = f"no answer: {str(err)[:200] or type(err).__name__}"
    return Outcome(seconds=time.monotonic() - began, error=fault), {}


def _outcome(status: int, headers: Mapping[str, str], seconds: float) -> Outcome:
    retry_after = timedelta()
    with suppress(ValueError, OverflowError):  # a date, which is not obeyed, or nonsense
        retry_after = timedelta(seconds=max(0, int(headers.get("retry-after", "0"))))
    error = "" if 200 <= status < 300 else f"answered {status}"
    return Outcome(status=status, seconds=seconds, error=error, retry_after=retry_after)
