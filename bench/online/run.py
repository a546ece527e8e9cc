"""Penstock's gateway beside the same worker without it, and beside Azure's inference server, in one run.

Runs of the three alternate, because the speed of a machine drifts: compare within a round, never between runs.
"""

import argparse
import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from load import Result, Target, closed_loop, open_loop
from uv import find_uv_bin

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "demo"))

from commands import Platform, run  # noqa: E402 - the demo's way of running commands

GATEWAY, WORKER, AZURE = "gateway", "worker", "azmlinfsrv"
PEER_PACKAGES = ("azureml-inference-server-http", "scikit-learn>=1.5,<2")
WARM_UP = 0.5  # seconds


@dataclass(frozen=True)
class Load:
    """A way to load a target: so many connections, or so many requests per second."""

    name: str
    connections: int = 0
    rate: int = 0

    def run(self, target: Target, seconds: float) -> Result:
        if self.rate:
            return open_loop(target, self.rate, seconds)
        return closed_loop(target, self.connections, seconds)


LOADS = (Load("1 connection", connections=1), Load("16 connections", connections=16), Load("200 req/s", rate=200))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements per cell (default 3)")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    platform = Platform(folder / "home")
    try:
        _measure(folder, platform, options.seconds, options.rounds)
    finally:
        platform.down()
        shutil.rmtree(folder)
    return 0


def _measure(folder: Path, platform: Platform, seconds: float, rounds: int) -> None:
    generated = shutil.ignore_patterns("models", "model", "test.json", "__pycache__")
    examples = shutil.copytree(ROOT / "examples", folder / "examples", ignore=generated)
    peer = _install_peer(folder / "peer")
    run((str(peer / "python"), str(examples / "wine" / "train.py")))
    platform("up", "--detach", "--port", "0", "--gateway-port", "0")
    print(f"\n{os.cpu_count()} CPUs; median of {rounds} rounds of {seconds:g} s; one row per request")
    print(f"{'example':8} {'load':15} {'server':11} {'req/s':>7} {'p50 ms':>8} {'p99 ms':>8} {'failed':>6}  ratio")
    for example, body in (("echo", b'{"message": "hello"}'), ("wine", _one_wine(examples))):
        through, direct = _deploy(platform, examples / example, folder / "home", body)
        model = examples / example / "models" / "blue"
        with _azure_server(peer, examples / example / "onlinescoring", model, folder) as port:
            azure = Target(name=AZURE, place=port, path="/score", body=body)
            for load in LOADS:
                _compare(example, load, (through, direct, azure), seconds, rounds)


def _install_peer(venv: Path) -> Path:
    uv = find_uv_bin()
    run((uv, "venv", "--quiet", "--python", sys.executable, str(venv)))
    run((uv, "pip", "install", "--quiet", "--python", str(venv / "bin" / "python"), *PEER_PACKAGES))
    return venv / "bin"


def _one_wine(examples: Path) -> bytes:
    rows = json.loads((examples / "wine" / "sample-request.json").read_text())["data"]
    return json.dumps({"data": rows[:1]}).encode()


def _deploy(platform: Platform, example: Path, home: Path, body: bytes) -> tuple[Target, Target]:
    """The example's blue deployment through the gateway, and its instance on its own socket."""
    name = example.name
    platform("online-endpoint", "create", "-f", "endpoint.yml", folder=example)
    platform("online-deployment", "create", "-f", "blue-deployment.yml", "--all-traffic", folder=example)
    url = urlsplit(platform("online-endpoint", "show", "--name", name)["scoring_uri"])
    key = platform("online-endpoint", "get-credentials", "--name", name)["primaryKey"]
    headers = {"Authorization": f"Bearer {key}"}
    through = Target(name=GATEWAY, place=url.port or 80, path=url.path, body=body, headers=headers)
    return through, Target(name=WORKER, place=_socket_of(name, home), path="/score", body=body)


def _socket_of(endpoint: str, home: Path) -> str:
    """Where the endpoint's instance listens: its process carries that in its environment."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            environment = process.environ()
            ours = environment.get("PENSTOCK_OWNER") == str(home.resolve())
            if ours and environment.get("PENSTOCK_INSTANCE", "").startswith(f"{endpoint}."):
                return environment["PENSTOCK_SOCKET"]
    raise SystemExit(f"endpoint {endpoint!r} has no instance running")


@contextlib.contextmanager
def _azure_server(peer: Path, code: Path, model: Path, folder: Path) -> Iterator[int]:
    """Azure's inference server with one worker, as its own command starts it, but on loopback only."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "AML_APP_ROOT": str(code),
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "AZUREML_MODEL_DIR": str(model),
    }
    options = ("-b", f"127.0.0.1:{port}", "-w", "1", "--timeout", "300", "--access-logfile", "-", "--error-logfile")
    command = (str(peer / "gunicorn"), *options, "/dev/null", "azureml_inference_server_http.server.entry:app")
    with (folder / "azure.log").open("ab") as log:
        server = subprocess.Popen(command, env=environment, cwd=code, stdout=log, stderr=log)
    try:
        _wait_for(port, server, folder / "azure.log")
        yield port
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait_for(port: int, server: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"Azure's inference server did not start:\n{log.read_text()[-2000:]}")


def _compare(example: str, load: Load, targets: Sequence[Target], seconds: float, rounds: int) -> None:
    results: dict[str, list[Result]] = {target.name: [] for target in targets}
    for target in targets:
        closed_loop(target, 1, WARM_UP)
    for _ in range(rounds):
        for target in targets:
            results[target.name].append(load.run(target, seconds))
    for name, found in results.items():
        per_round = [g.rate / r.rate for g, r in zip(results[GATEWAY], found, strict=True) if r.rate]
        ratio = f"gateway / {name} = {statistics.median(per_round):.2f}" if per_round and name != GATEWAY else ""
        print(
            f"{example:8} {load.name:15} {name:11} {_median([r.rate for r in found]):7.0f}"
            f" {_median([r.percentile(50) for r in found]):8.2f} {_median([r.percentile(99) for r in found]):8.2f}"
            f" {sum(r.failures for r in found):6d}  {ratio}",
            flush=True,
        )


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    sys.exit(main())
