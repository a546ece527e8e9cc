"""The platform that is sent everything bad, shared by the files that do so, and what must not notice."""

from collections.abc import Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from support.bystander import Bystander
from support.callers import Caller, a_caller, dawdle, write_yaml
from support.load import Load
from support.running import Platform, a_platform, write_deployment

ROUGH = """
import os, time

def init():
    pass

def run(raw_data):
    word, _, number = raw_data.partition(" ")
    if word == "raise":
        raise ValueError("the author's own words")
    if word == "sleep":
        time.sleep(float(number))
    if word == "end":
        os._exit(7)
    if word == "eat":
        bytearray(int(number))
    return {"pid": os.getpid(), "length": len(raw_data)}
"""


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Where the platforms of this run have their environments: each is built once, by the first that needs it."""
    base = tmp_path_factory.getbasetemp()
    return (base if worker_id == "master" else base.parent) / "environments"


@pytest.fixture(scope="session")
def harassed(tmp_path_factory: pytest.TempPathFactory, environments: Path) -> Generator[Platform]:
    """`steady` must notice nothing, `rough` is sent bad requests, `doomed` is given bad deployments."""
    folder = tmp_path_factory.mktemp("bad")
    files = folder / "files"
    with a_platform(folder / "home", environments=environments) as platform:
        write_yaml(
            files / "endpoints.yml",
            {"name": "steady", "auth_mode": "key", "traffic": {"blue": 100}},
            {"name": "rough", "auth_mode": "key", "traffic": {"blue": 100}},
            {"name": "doomed", "auth_mode": "key"},
        )
        write_deployment(files, "steady", "blue")
        narrow = {"request_timeout_ms": 1500, "max_concurrent_requests_per_instance": 1}
        write_deployment(
            files / "rough", "rough", "blue", script=ROUGH, extra={"resources": {"limits": {"memory": "200Mi"}}}
        )
        write_deployment(files / "rough", "rough", "narrow", script=ROUGH, extra={"request_settings": narrow})
        for name in ("raising", "stuck"):  # these serve well before they are changed for the worse
            write_deployment(files, "doomed", name, variables={"VERSION": "old"})
        platform.run("apply", "-f", files)
        yield platform


@pytest.fixture(scope="session")
def rough(harassed: Platform) -> Generator[Caller]:
    with a_caller(harassed, "rough") as caller:
        yield caller


@pytest.fixture(scope="session")
def steady(harassed: Platform) -> Generator[Bystander]:
    """Asked by one connection while all these tests run."""
    with a_caller(harassed, "steady") as caller:
        load = Load(caller.port, "/endpoints/steady/score", caller.headers(), connections=1, pause=0.05)
        with load:
            yield Bystander(load, caller, pid=caller.score().json()["pid"])
        assert not load.failures(), load.summary()


@pytest.fixture(scope="session")
def dawdlers(rough: Caller) -> Generator[Mapping[str, Future[tuple[bytes, float]]]]:
    """Callers that send slowly. They are given ten seconds, in which other tests run."""
    line = "POST /endpoints/rough/score HTTP/1.1\r\nHost: localhost\r\n"
    head = f"{line}Authorization: Bearer {rough.key}\r\nContent-Length: 100000\r\n\r\n"
    with ThreadPoolExecutor(3) as pool:
        yield {
            "headers": pool.submit(dawdle, rough.port, line.encode()),
            "dripping headers": pool.submit(dawdle, rough.port, line.encode(), b"X-More: 1\r\n"),
            "dripping body": pool.submit(dawdle, rough.port, head.encode(), b"x"),
        }
