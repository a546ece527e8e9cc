"""Requests to an endpoint as any HTTP client sends them, and what came back."""

import http.client
import itertools
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

CONNECTIONS = 4
PAUSE = 0.004  # seconds between two requests of steady load, so that the machine has room for the rest


@dataclass(frozen=True)
class Endpoint:
    """Where to send requests, and the key that opens it."""

    url: str
    key: str


@dataclass(frozen=True)
class Answer:
    """One response. `status` is 0 if the connection broke; `sent` and `received` are seconds of the same clock."""

    sent: float
    received: float
    status: int
    deployment: str
    body: bytes


def send(endpoint: Endpoint, bodies: Sequence[bytes], deployment: str | None = None) -> list[Answer]:
    """Send all bodies over a few kept-alive connections; the answers come in the order of the bodies."""
    parts = [range(first, len(bodies), CONNECTIONS) for first in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        found = pool.map(lambda part: list(_answers(endpoint, (bodies[i] for i in part), deployment)), parts)
    by_index = zip(itertools.chain.from_iterable(parts), itertools.chain.from_iterable(found), strict=True)
    return [answer for _, answer in sorted(by_index, key=lambda pair: pair[0])]


@contextmanager
def steady_load(endpoint: Endpoint, bodies: Sequence[bytes]) -> Iterator[list[Answer]]:
    """Send requests in the background until the block ends; yields the list that answers are added to."""
    answers: list[Answer] = []
    ending = threading.Event()

    def keep_sending() -> None:
        endless = itertools.takewhile(lambda _: not ending.wait(PAUSE), itertools.cycle(bodies))
        for answer in _answers(endpoint, endless):
            answers.append(answer)

    threads = [threading.Thread(target=keep_sending) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        ending.set()
        for thread in threads:
            thread.join()


def percentile(answers: Sequence[Answer], percent: float) -> float:
    """Milliseconds within which `percent` of the answers came."""
    times = sorted(answer.received - answer.sent for answer in answers)
    return 1000 * times[min(len(times) - 1, int(len(times) * percent / 100))]


def _answers(endpoint: Endpoint, bodies: Iterable[bytes], deployment: str | None = None) -> Iterator[Answer]:
    url = urlsplit(endpoint.url)
    headers = {"Authorization": f"Bearer {endpoint.key}", "Content-Type": "application/json"}
    if deployment:
        headers["azureml-model-deployment"] = deployment
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=30)
    for body in bodies:
        sent = time.monotonic()
        try:
            connection.request("POST", url.path, body, headers)
            response = connection.getresponse()
            status, name, content = response.status, response.getheader("azureml-model-deployment", ""), response.read()
        except (OSError, http.client.HTTPException) as err:
            connection.close()  # the next request opens it again
            status, name, content = 0, "", str(err).encode()
        yield Answer(sent, time.monotonic(), status, name, content)
    connection.close()
