"""Asks a deployment for the answers to golden requests, through the gateway and whatever its traffic."""

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

import httpx

from penstock.control.resources import Resources
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.endpoint import ONLINE_ENDPOINT
from penstock.domain.errors import invalid
from penstock.domain.golden import (
    MOST_BODY_BYTES,
    MOST_REQUESTS,
    GoldenFailure,
    GoldenRequest,
    GoldenResult,
    Mismatch,
)
from penstock.gateway.base import Gateway
from penstock.online.golden_comparison import compared, differing, value_of
from penstock.online.keys import Keyring

LONGEST = 45.0  # seconds of a whole check
_LONGEST_ANSWER = 30.0  # seconds of one request
_AT_A_TIME = 4
_BUSY = frozenset({429, 503})  # not the model's own word: asked again while there is time
_PAUSE = 0.2  # seconds before that


@dataclass(frozen=True)
class Answer:
    """What came back; `fault` says why nothing did."""

    status: int = 0
    body: bytes = b""
    fault: str = ""


class Golden:
    def __init__(self, resources: Resources, keyring: Keyring, gateway: Gateway, host: str) -> None:
        self._resources = resources
        self._keyring = keyring
        self._gateway = gateway
        self._host = host

    def check(self, endpoint: str, deployment: str, requests: Sequence[GoldenRequest]) -> GoldenResult:
        """Ask for every answer and compare; returns within `LONGEST` seconds and a little.

        What was not asked in that time, or got no answer, has failed. Raises `not_found` for an endpoint or deployment
        that does not exist, `invalid` for no requests and for more or larger ones than are asked.
        """
        began = time.monotonic()
        answers = self._answers(endpoint, deployment, requests)
        failures = [
            failure
            for number, (request, answer) in enumerate(zip(requests, answers, strict=True), 1)
            if (failure := _judged(number, request, answer)) is not None
        ]
        return GoldenResult(
            endpoint=endpoint,
            deployment=deployment,
            requests=len(requests),
            failures=tuple(failures),
            seconds=round(time.monotonic() - began, 3),
        )

    def settled(
        self, endpoint: str, deployment: str, requests: Sequence[GoldenRequest], *, renewed: bool
    ) -> Sequence[GoldenRequest]:
        """Recorded requests after the deployment was asked once more.

        What its two answers differ in is ignored from now on; those that it does not answer with the same status, or
        in the same form, are left out. `renewed`: the new answer is the expected one, as the request was changed.
        """
        answers = self._answers(endpoint, deployment, requests)
        pairs = zip(requests, answers, strict=True)
        return [settled for request, answer in pairs if (settled := _settled(request, answer, renewed)) is not None]

    def _answers(self, endpoint: str, deployment: str, requests: Sequence[GoldenRequest]) -> Sequence[Answer]:
        bodies = [_body(request) for request in requests]
        _check_bounds(bodies)
        uid = self._resources.get(ONLINE_ENDPOINT, endpoint).uid
        self._resources.get(ONLINE_DEPLOYMENT, f"{endpoint}/{deployment}")
        key = self._keyring.ensure(endpoint, uid).primary
        headers = {"Authorization": f"Bearer {key}", "azureml-model-deployment": deployment}
        deadline = time.monotonic() + LONGEST
        url = f"http://{self._host}:{self._gateway.port}/endpoints/{endpoint}/score"
        with (
            httpx.Client(trust_env=False, headers=headers, follow_redirects=False) as http,
            ThreadPoolExecutor(_AT_A_TIME, "golden") as pool,
        ):

            def ask(request: GoldenRequest, body: bytes) -> Answer:
                return _patiently(http, url, request, body, deadline)

            return list(pool.map(ask, requests, bodies))


def _patiently(http: httpx.Client, url: str, request: GoldenRequest, body: bytes, deadline: float) -> Answer:
    """The answer; a deployment that is too busy for it is asked again until the deadline."""
    answer = Answer(fault=f"was not asked: the {LONGEST:.0f} s for all requests were over")
    while (left := deadline - time.monotonic()) > 0:
        answer = _asked(http, url, request.content_type, body, min(left, _LONGEST_ANSWER))
        if answer.status not in _BUSY or answer.status == request.expect.status:
            return answer
        time.sleep(min(_PAUSE, left))
    return answer


def _asked(http: httpx.Client, url: str, content_type: str, body: bytes, seconds: float) -> Answer:
    headers = {"Content-Type": content_type}
    try:
        with http.stream("POST", url, content=body, headers=headers, timeout=seconds) as response:
            received = b""
            for piece in response.iter_bytes(65536):
                received += piece
                if len(received) > MOST_BODY_BYTES:
                    return Answer(fault=f"answered more than {MOST_BODY_BYTES} bytes")
            return Answer(response.status_code, received)
    except httpx.TimeoutException:
        return Answer(fault=f"gave no answer within {seconds:.1f} s")
    except (httpx.HTTPError, UnicodeError) as err:
        return Answer(fault=f"gave no answer ({type(err).__name__})")


def _judged(number: int, request: GoldenRequest, answer: Answer) -> GoldenFailure | None:
    if answer.fault:
        mismatches: Sequence[Mismatch] = [
            Mismatch(path="", expected=f"status {request.expect.status}", got=f"none: it {answer.fault}")
        ]
    else:
        mismatches = compared(request.expect, answer.status, answer.body)
    if not mismatches:
        return None
    return GoldenFailure(number=number, name=request.name or f"request {number}", mismatches=tuple(mismatches))


def _settled(request: GoldenRequest, answer: Answer, renewed: bool) -> GoldenRequest | None:
    expect = request.expect
    if answer.fault or answer.status != expect.status:
        return None
    value = value_of(answer.body)
    if expect.answer is None and not renewed:
        return request
    if renewed:
        return request.model_copy(update={"expect": expect.model_copy(update={"answer": value})})
    paths = differing(expect.answer, value)
    if not paths:
        return request
    if "" in paths:  # another answer each time, or one of another kind
        return None
    every = _everywhere(paths, cast(object, expect.answer))
    return request.model_copy(update={"expect": expect.model_copy(update={"ignore": every})})


def _everywhere(paths: Sequence[str], answer: object) -> tuple[str, ...]:
    """Paths with `*` for the places in lists: what differs in one item is as unsure in the others."""
    result: dict[str, None] = {}
    for path in paths:
        here: object = answer
        steps: list[str] = []
        for step in path.split("."):
            if isinstance(here, list):
                items = cast(list[object], here)
                steps.append("*")
                here = items[int(step)] if step.isdigit() and int(step) < len(items) else None
            else:
                steps.append(step)
                here = cast(Mapping[str, object], here).get(step) if isinstance(here, Mapping) else None
        result[".".join(steps)] = None
    return tuple(result)


def _body(request: GoldenRequest) -> bytes:
    if request.body is not None:
        return request.body.encode()
    return json.dumps(request.request, separators=(",", ":")).encode()


def _check_bounds(bodies: Sequence[bytes]) -> None:
    if not 0 < len(bodies) <= MOST_REQUESTS:
        raise invalid(f"{len(bodies)} golden requests: give 1 to {MOST_REQUESTS}")
    for number, body in enumerate(bodies, 1):
        if len(body) > MOST_BODY_BYTES:
            raise invalid(f"golden request {number} has {len(body)} bytes: {MOST_BODY_BYTES} are the most")
