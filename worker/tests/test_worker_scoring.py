"""What run() returns or raises becomes the answer that the contract promises."""

import json
import sys
from typing import Any

import pytest

from penstock_worker.aml_response import AMLResponse
from penstock_worker.counters import Counters
from penstock_worker.messages import Request, Response
from penstock_worker.routes import Routes
from penstock_worker.scoring import Scorer
from penstock_worker.script import Script
from penstock_worker.settings import Service
from penstock_worker.swagger import swagger_page


def answer(result: Any = None, method: str = "POST", path: str = "/score", **headers: str) -> Response:
    def run(data: str) -> Any:
        if isinstance(result, BaseException):
            raise result
        return result

    encoded = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    script, counters, answers = Script(run), Counters(), list[Response]()
    routes = Routes(script, Scorer(script, counters), swagger_page(script.schemas(), Service(), None))
    routes.take(Request(method, path, "", encoded, b"{}"), answers.append)
    [answered] = answers
    return answered


def header(response: Response, name: str) -> list[str]:
    pairs = [line.split(": ", 1) for line in response.lines.decode("latin-1").splitlines()]
    return [value for key, value in pairs if key.lower() == name]


@pytest.mark.parametrize(
    ("result", "body"),
    [
        pytest.param(None, b"{}", id="nothing is an empty object"),
        pytest.param({"a": (1, 2)}, b'{"a": [1, 2]}', id="tuples are lists"),
        pytest.param('{"a": 1}', b'"{\\"a\\": 1}"', id="json text is encoded once more"),
        pytest.param(float("nan"), b"NaN", id="NaN stays"),
        pytest.param("é", b'"\\u00e9"', id="only ASCII is sent"),
    ],
)
def test_results_are_answered_as_json(result: Any, body: bytes) -> None:
    response = answer(result)
    assert (response.status, response.body) == (200, body)
    assert header(response, "content-type") == ["application/json"]
    assert header(response, "x-ms-run-function-failed") == ["False"]
    assert len(header(response, "x-ms-run-fn-exec-ms")[0].split(".")[1]) == 3


@pytest.mark.parametrize("result", [{1, 2}, b"bytes", object()])
def test_a_result_without_json_form_is_an_internal_error(result: Any) -> None:
    response = answer(result)
    assert response.status == 500
    assert json.loads(response.body)["message"].startswith("An unexpected internal error occurred.")
    assert header(response, "x-ms-run-function-failed") == ["False"]


@pytest.mark.parametrize("error", [ValueError("secret"), SystemExit(1), KeyboardInterrupt(), MemoryError()])
def test_whatever_run_raises_is_answered_without_its_traceback(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    response = answer(error)
    assert response.status == 500
    assert json.loads(response.body) == {
        "message": "An unexpected error occurred in scoring script. Check the logs for more info."
    }
    assert header(response, "x-ms-run-function-failed") == ["True"]
    assert not header(response, "x-ms-run-fn-exec-ms")
    logged = capsys.readouterr().err
    assert type(error).__name__ in logged
    assert "penstock_worker" not in logged


def test_own_responses_keep_their_status_body_and_headers() -> None:
    headers = {"X-One": "a, b", "Content-Type": "text/csv", "X-Request-Id": "mine", "Content-Length": "7"}
    response = answer(AMLResponse("a,b", 201, headers), x_request_id="r")
    assert (response.status, response.body) == (201, b"a,b")
    assert header(response, "x-one") == ["a", "b"]
    assert header(response, "content-type") == ["text/csv"]
    assert header(response, "x-request-id") == ["r"]
    assert not header(response, "content-length")


@pytest.mark.parametrize(
    ("own", "status", "body", "failed"),
    [
        pytest.param(AMLResponse(None, 200), 200, b"{}", "False", id="no message is an empty object"),
        pytest.param(AMLResponse([1], 200, json_str=True), 200, b"[1]", "False", id="json on request"),
        pytest.param(AMLResponse(b"\xff", 200), 200, b"\xff", "False", id="bytes as they are"),
        pytest.param(AMLResponse(["a", b"b"], 200), 200, b"ab", "False", id="pieces are joined"),
        pytest.param(AMLResponse("x", 503), 503, b"x", "True", id="a server error is a failure of run"),
        pytest.param(AMLResponse("x", 400, run_function_failed=True), 400, b"x", "True", id="failure on request"),
    ],
)
def test_forms_of_own_responses(own: AMLResponse, status: int, body: bytes, failed: str) -> None:
    response = answer(own)
    assert (response.status, response.body) == (status, body)
    assert header(response, "x-ms-run-function-failed") == [failed]


@pytest.mark.parametrize(
    "own",
    [
        pytest.param(AMLResponse("x", 200, {"a": "b\r\nc: d"}), id="a header that would add another"),
        pytest.param(AMLResponse("x", 200, {"a b": "c"}), id="a header name with a space"),
        pytest.param(AMLResponse("x", 200, {"a": "\u20ac"}), id="a header value that is not Latin-1"),
        pytest.param(AMLResponse("x", 101), id="a status that answers nothing"),
        pytest.param(AMLResponse({"a": 1}, 200), id="an object without json_str"),
    ],
)
def test_own_responses_that_cannot_be_sent_are_internal_errors(own: AMLResponse) -> None:
    response = answer(own)
    assert response.status == 500
    assert b"internal error" in response.body


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/", 200, []),
        ("HEAD", "/", 200, []),
        ("GET", "/ready", 200, []),
        ("GET", "/swagger.json", 200, []),
        ("POST", "/swagger.json", 405, ["GET, HEAD"]),
        ("OPTIONS", "/score", 200, ["GET, POST, OPTIONS"]),
        ("HEAD", "/score", 405, ["GET, POST, OPTIONS"]),
        ("DELETE", "/score", 405, ["GET, POST, OPTIONS"]),
        ("GET", "/other", 404, []),
    ],
)
def test_routes_and_methods(method: str, path: str, status: int, allow: list[str]) -> None:
    response = answer(AssertionError("not called"), method, path)
    assert response.status == status
    assert header(response, "allow") == allow
    assert bool(header(response, "x-request-id")) == (status == 200)
    if status >= 400:
        assert path in json.loads(response.body)["message"]


def test_an_id_that_is_too_long_is_refused_before_the_script_runs() -> None:
    response = answer(AssertionError("not called"), x_request_id="x" * 101)
    assert response.status == 431
    assert not header(response, "x-request-id")


def test_a_trace_id_comes_back() -> None:
    assert header(answer(traceid="t"), "traceid") == ["t"]


def test_the_error_of_a_result_does_not_name_our_files(capsys: pytest.CaptureFixture[str]) -> None:
    answer({1})
    assert "TypeError" in capsys.readouterr().err
    assert "entry_module" not in sys.modules
