"""`SCORING_TIMEOUT_MS`: an alarm that ends run() where it has Python's interpreter at work."""

from __future__ import annotations

import signal
from typing import Any, Callable

from penstock_worker.messages import Response, message_response

_FAILED = b"x-ms-run-function-failed: True\r\n"


class ScoringTimeoutError(TimeoutError):
    """run() has taken too long. It ends where the exception finds it, unless it catches that."""

    def __init__(self, milliseconds: int) -> None:
        super().__init__(f"Scoring timeout after {milliseconds} ms")

    @property
    def response(self) -> Response:
        return message_response(500, str(self), _FAILED)


def limited(function: Callable[..., Any], milliseconds: int) -> Callable[..., Any]:
    """`function`, interrupted after `milliseconds`. To be called on the main thread, of this process or a child.

    A call into C that does not return is not interrupted, and one that does is late.
    """
    running = False

    def expire(_signal: int, _frame: object) -> None:
        if running:  # else it has ended in this very moment
            raise ScoringTimeoutError(milliseconds)

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal running
        running = True
        signal.setitimer(signal.ITIMER_REAL, milliseconds / 1000)
        try:
            return function(*args, **kwargs)
        finally:
            running = False
            signal.setitimer(signal.ITIMER_REAL, 0)

    signal.signal(signal.SIGALRM, expire)
    return call
