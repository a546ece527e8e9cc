"""Ports for servers that have to be told theirs before they listen."""

import itertools
import os
import socket

_FIRST, _EACH = 11_000, 1_500  # below all that the kernel gives to whoever asks for any port
_NUMBER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 12  # of this process of the tests
_tried = itertools.count(os.getpid())


def free_port() -> int:
    """A port of this machine that nobody else gets before its server listens: each process of the tests has its own."""
    return next(port for port in map(_nth, _tried) if is_free(port))


def _nth(number: int) -> int:
    return _FIRST + _EACH * _NUMBER + number % _EACH


def is_free(port: int) -> bool:
    """True if a server can listen there; a killed process may hold its sockets for a moment after it is gone."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False
