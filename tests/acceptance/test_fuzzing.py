"""Requests made up from the descriptions that API and endpoints give of themselves: no 5xx, no hang, no growth."""

from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.control import SkipTest
from schemathesis.schemas import BaseSchema
from support.callers import a_caller, an_api
from support.running import Platform, a_platform
from support.trained import EXAMPLES, a_trained_example

pytestmark = pytest.mark.filterwarnings("ignore")

MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
TIMEOUT = 60.0  # seconds for one answer
GROWTH = 48 * 1024 * 1024  # bytes that caches and the allocator may take
# What ends the platform, and what works for minutes at a single word.
LEFT_OUT = ("/shutdown", "/doctor", "/validations")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, environments: Path) -> Generator[Platform]:
    folder = tmp_path_factory.mktemp("fuzz")
    variables = {"PENSTOCK_MLFLOW": "/nonexistent/mlflow"}
    with a_platform(folder / "home", variables, environments=environments) as platform:
        a_trained_example("mlflow", folder / "examples")
        platform.run("apply", "-f", folder / "examples", "-f", EXAMPLES / "echo")
        yield platform


def fuzz(schema: BaseSchema, send: Callable[[Case], Any], examples: int) -> int:
    """Send `examples` sound and as many unsound requests for each operation; how many were sent."""
    sent = 0
    limits = settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    operations = [result.ok() for result in schema.get_all_operations()]
    for mode in MODES:
        schema.config.generation.update(modes=[mode])  # else what cannot be unsound is found out by a thousand tries
        for operation in (one for one in operations if not any(word in one.path for word in LEFT_OUT)):

            @limits
            @given(case=operation.as_strategy(generation_mode=mode))
            def attempt(case: Case) -> None:
                nonlocal sent
                answer = send(case)
                sent += 1
                known = answer.status_code < 500 or answer.status_code == 503
                assert known, (case.method, case.formatted_path, case.body, answer.status_code, answer.text)

            with suppress(Unsatisfiable, SkipTest):  # nothing unsound can be said to it
                attempt()
    return sent


def test_the_api_survives_what_its_description_allows_and_what_it_does_not(platform: Platform) -> None:
    server = psutil.Process(platform.server["pid"])
    with an_api(platform) as api:
        headers = {"Authorization": api.headers["Authorization"]}
    url = platform.server["url"]
    schema = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json", headers=headers)

    def send(case: Case) -> Any:
        return case.call(base_url=url, headers=headers, timeout=TIMEOUT)

    fuzz(schema, send, examples=1)
    before = server.memory_info().rss
    assert fuzz(schema, send, examples=2) > 100
    assert server.memory_info().rss - before < GROWTH
    assert platform.json("status")


@pytest.mark.parametrize("endpoint", ["echo", "diabetes"])
def test_script_and_mlflow_model_survive_what_their_own_descriptions_say(platform: Platform, endpoint: str) -> None:
    with a_caller(platform, endpoint) as caller:
        headers = caller.headers(azureml_model_deployment="blue")
        document = httpx.get(f"{caller.url}/swagger.json?version=3", headers=headers, timeout=60).json()
        schema = schemathesis.openapi.from_dict(document)
        pids = platform.instance_pids(f"{endpoint}.blue")

        def send(case: Case) -> Any:
            return case.call(base_url=caller.url, headers=headers, timeout=TIMEOUT)

        fuzz(schema, send, examples=15)
        memory = [psutil.Process(pid).memory_info().rss for pid in pids]
        assert fuzz(schema, send, examples=60) >= 60
        assert platform.instance_pids(f"{endpoint}.blue") == pids
        for pid, before in zip(pids, memory, strict=True):
            assert psutil.Process(pid).memory_info().rss - before < GROWTH
