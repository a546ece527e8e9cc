"""Callers of endpoints and of the REST API in the test's own process, where the command is not the point."""

import json
import socket
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from support.running import Platform


class Caller:
    """Asks one endpoint; its key is looked up once."""

    def __init__(self, platform: Platform, endpoint: str, http: httpx.Client) -> None:
        self.endpoint = endpoint
        self.port = platform.gateway_port
        self.url = f"http://127.0.0.1:{self.port}/endpoints/{endpoint}"
        self._http = http
        with an_api(platform) as api:
            self.key = api.get(f"online-endpoints/{endpoint}/credentials").json()["primaryKey"]

    def score(self, body: str | bytes = "{}", **headers: str) -> httpx.Response:
        """The answer to a POST; `azureml_model_deployment="blue"` is the header of that name."""
        return self._http.post(f"{self.url}/score", content=body, headers=self.headers(**headers))

    def served(self, **headers: str) -> bool:
        """True if there is an answer just now, and it is a 200."""
        try:
            return self.score(**headers).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def get(self, path: str) -> httpx.Response:
        return self._http.get(f"{self.url}/{path}", headers=self.headers())

    def headers(self, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", **{name.replace("_", "-"): v for name, v in more.items()}}


@contextmanager
def a_caller(platform: Platform, endpoint: str) -> Generator[Caller]:
    with httpx.Client(timeout=60, trust_env=False) as http:
        yield Caller(platform, endpoint, http)


@contextmanager
def an_api(platform: Platform, **headers: str) -> Generator[httpx.Client]:
    """Plain HTTP to the REST API, with the home's token."""
    token = (platform.home / "token").read_text().strip()
    sent = {"Authorization": f"Bearer {token}", **{name.replace("_", "-"): v for name, v in headers.items()}}
    with httpx.Client(base_url=f"{platform.server['url']}/api/v1/", headers=sent, timeout=60, trust_env=False) as http:
        yield http


def at_once(platform: Platform, *commands: Sequence[object]) -> list[subprocess.CompletedProcess[str]]:
    """What becomes of commands that do not depend on each other, run beside each other."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda words: platform.run(*words, check=False), commands))


def dawdle(port: int, first: bytes, drip: bytes = b"") -> tuple[bytes, float]:
    """Send `first`, then `drip` twice a second, until the other side ends it: what it said, and after how long."""
    begun, said = time.monotonic(), b""
    with socket.create_connection(("127.0.0.1", port), timeout=0.5) as connection:
        connection.sendall(first)
        while time.monotonic() - begun < 60:
            try:
                received = connection.recv(65536)
            except TimeoutError:
                connection.sendall(drip)
                continue
            except ConnectionResetError:  # it has ended it while we were sending
                break
            if not received:
                break
            said += received
    return said, time.monotonic() - begun


def write_yaml(path: Path, *documents: Mapping[str, Any]) -> Path:
    """A YAML file of these documents."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n---\n".join(json.dumps(document) for document in documents))
    return path
