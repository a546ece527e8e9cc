"""Calls to receivers end in time, whatever these do."""

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest

from penstock.control import webhook_calls
from penstock.control.webhook_calls import handshake, send

Behave = Callable[[socket.socket, threading.Event], None]


@contextmanager
def a_receiver(behave: Behave) -> Generator[str]:
    """The URL of a server that treats each connection so, after what it was sent has begun to come."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    behave(connection, ended)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/hook"
    finally:
        ended.set()
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        listener.close()
        thread.join(timeout=10)


def answering(*lines: str) -> Behave:
    return lambda connection, _: connection.sendall("\r\n".join([*lines, "", ""]).encode())


def dripping(connection: socket.socket, ended: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not ended.wait(0.02):
        connection.sendall(b"X: y\r\n")


def pouring(connection: socket.socket, ended: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not ended.is_set():
        connection.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with (
        a_receiver(answering("HTTP/1.1 200 OK", "Content-Length: 0")) as elsewhere,
        a_receiver(answering("HTTP/1.1 307 Go", f"Location: {elsewhere}", "Content-Length: 0")) as url,
    ):
        outcome = send(url, {}, b"{}")
    assert (outcome.status, outcome.delivered, outcome.error) == (307, False, "answered 307")


def test_an_answer_without_an_end_counts_by_its_status_and_is_not_read() -> None:
    with a_receiver(pouring) as url:
        assert send(url, {}, b"{}").delivered


@pytest.mark.parametrize("behave", [dripping, lambda _, ended: ended.wait(100)])
def test_slow_receivers_are_left_in_time(behave: Behave, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_calls, "PATIENCE", timedelta(seconds=0.5))
    with a_receiver(behave) as url:
        outcome = send(url, {}, b"{}")
    assert (outcome.status, outcome.error) == (0, "no answer within 0 s")


@pytest.mark.parametrize("behave", [lambda *_: None, answering("not HTTP"), answering("HTTP/1.1 200 OK\x00")])
def test_what_is_no_answer_is_a_fault_and_no_error_of_ours(behave: Behave) -> None:
    with a_receiver(behave) as url:
        assert send(url, {}, b"{}").error.startswith("no answer: ")
    assert send(url, {}, b"{}").error.startswith("no answer: ")


def test_how_long_a_receiver_wants_to_be_left_alone_is_heard() -> None:
    for told, seconds in (("120", 120), ("-5", 0), ("soon", 0), ("9" * 400, 0)):
        with a_receiver(answering("HTTP/1.1 429 Slow", f"Retry-After: {told}", "Content-Length: 0")) as url:
            assert send(url, {}, b"{}").retry_after == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("HTTP/1.1 200 OK", "WebHook-Allowed-Origin: *"), "allowed"),
        (("HTTP/1.1 200 OK", "WebHook-Allowed-Origin: other, here"), "allowed"),
        (("HTTP/1.1 200 OK", "WebHook-Allowed-Origin: elsewhere"), "denied"),
        (("HTTP/1.1 405 No", "Allow: POST"), "unanswered"),
        (("HTTP/1.1 200 OK", "Allow: POST"), "unanswered"),
    ],
)
def test_a_receiver_may_agree_refuse_or_not_know_the_question(lines: tuple[str, ...], expected: str) -> None:
    with a_receiver(answering(*lines, "Content-Length: 0")) as url:
        assert handshake(url, "here") == expected
