"""Answers the cases of `azure_cases.py` with one server, and prints the answers as JSON.

`python azure_driver.py azure|ours|bare FOLDER`. `bare`: ours, in a process that finds none of Azure's packages, nor
Flask. Each case is answered in a process of its own, forked when all that is large is imported.
"""

import contextlib
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from azure_cases import CASES, VARIABLES

MISSING = ("azureml", "azureml_inference_server_http", "inference_schema", "flask", "werkzeug", "wrapt", "flask_cors")

LARGE = (
    "azure.monitor.opentelemetry.exporter",
    "azureml_inference_server_http.server",
    "flask_cors",
    "opentelemetry.sdk._logs",
    "opentelemetry.sdk.trace.export",
    "pydantic_settings",
)


def main(server: str, folder: Path) -> None:
    answer = by_azure if server == "azure" else by_ours
    import numpy  # noqa: F401
    import pandas  # noqa: F401

    if server == "azure":
        for large in LARGE:
            importlib.import_module(large)
    elif server == "ours":
        import flask  # noqa: F401
        import inference_schema.schema_decorators  # noqa: F401
    else:
        hide()
    told = {}
    for name, (script, requests) in CASES.items():
        for mode in ("strict", "") if server != "azure" else ("strict",):
            place = folder / f"{server}-{name}"
            place.mkdir(exist_ok=True)
            (place / "score.py").write_text(script, encoding="utf-8")
            variables = {**VARIABLES.get(name, {}), "PENSTOCK_COMPAT": mode}
            variables.update(AML_APP_ROOT=str(place), AZUREML_ENTRY_SCRIPT="score.py")
            told[f"{name} {mode}".strip()] = in_child(lambda r=requests, v=variables: answer(r, v))  # type: ignore[misc]
    print(json.dumps(told))


def hide() -> None:
    """Leave the packages out wherever modules are looked for in folders."""
    from importlib.machinery import PathFinder

    find = PathFinder.find_spec

    def find_others(name: str, path: Any = None, target: Any = None) -> Any:
        return None if name.partition(".")[0] in MISSING else find(name, path, target)

    PathFinder.find_spec = staticmethod(find_others)  # type: ignore[method-assign, assignment]


def in_child(work: Any) -> Any:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
                told = json.dumps(work())
            with os.fdopen(writing, "w") as out:
                out.write(told)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as told_by_child:
        text = told_by_child.read()
    _, status = os.waitpid(pid, 0)
    if status:
        raise SystemExit(f"a case could not be answered: {status}")
    return json.loads(text)


def by_azure(requests: list[dict[str, Any]], variables: dict[str, str]) -> list[Any]:
    os.environ.update(variables)
    os.environ.setdefault("HTTP_X_MS_SERVER_VERSION", "azmlinfsrv/1.5.1")
    if variables.get("SERVER_VERSION_LOG_RESPONSE_ENABLED") == "false":
        del os.environ["HTTP_X_MS_SERVER_VERSION"]
    from azureml_inference_server_http.server.create_app import create

    client = create().test_client(use_cookies=False)
    answers = []
    for request in requests:
        response = client.open(
            request["path"],
            method=request["method"],
            headers=request["headers"],
            data=request["body"].encode("latin-1"),
        )
        answers.append([response.status_code, response.get_data().decode("latin-1"), list(response.headers)])
    return answers


def by_ours(requests: list[dict[str, Any]], variables: dict[str, str]) -> list[Any]:
    from penstock_worker.measures import Measures
    from penstock_worker.messages import Request
    from penstock_worker.start import Seat, load, routes_of
    from penstock_worker.variables import read_variables
    from penstock_worker.wire import split_target

    given = read_variables({**variables, "PENSTOCK_SOCKET": "unused"})
    routes, _ = routes_of(load(given), given, Seat(Measures(None)))
    answers: list[Any] = []
    for request in requests:
        headers = {name.lower().encode(): value.encode() for name, value in request["headers"].items()}
        body = request["body"].encode("latin-1")
        headers[b"host"] = b"localhost"
        if body or request["method"] == "POST":
            headers[b"content-length"] = str(len(body)).encode()
        path, query = split_target(request["path"].encode())
        found: list[Any] = []
        routes.outermost(Request(request["method"], path, query, headers, body), found.append)
        [response] = found
        content = response.body + b"".join(response.stream or ())
        lines = [line.split(": ", 1) for line in response.lines.decode("latin-1").splitlines()]
        answers.append([response.status, content.decode("latin-1"), lines])
    return answers


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
