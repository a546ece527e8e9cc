"""The part of HAProxy's configuration that a deployment has: limits, failures, and its servers."""

from datetime import timedelta
from pathlib import PurePosixPath

from penstock.gateway import answers
from penstock.gateway.maps import ASLEEP, backend_name
from penstock.gateway.sections import section
from penstock.gateway.settings import GatewaySettings
from penstock.gateway.table import SCORE_PATH, Backend, Server
from penstock.gateway.validity import check_address, check_socket

# Gets what no instance can take. Without it, a request whose last instance dies on a connection that was used before
# ends without any answer: HAProxy then leaves it to the caller to try again. A retry that finds a server is answered.
LAST_RESORT = "no-instance"

# Gets what a worker held that retires after a reload: instances that start now are known to the new worker only.
HANDOVER = "handover"

# The worker that takes over in a reload, as the one that retires knows it.
SUCCESSOR = "successor"
INNER_SERVERS = (LAST_RESORT, HANDOVER, SUCCESSOR)


def backend_section(backend: Backend, settings: GatewaySettings) -> str:
    """The backend without its servers: what cannot change without a reload."""
    name, retry = backend_name(backend.name), settings.retry_body_bytes
    wait_ms, timeout_ms = _milliseconds(backend.queue_wait), _milliseconds(backend.request_timeout)
    lines = [
        f"timeout queue {wait_ms if backend.queue_per_instance else 1}ms",
        f"timeout server {timeout_ms}ms",
        *_holding(backend),
        f"http-request lua.mirror {retry} if {{ var(txn.mirror) -m found }}",
        *_bounded_queue(backend),
        *_bounded_body(backend, retry),
        *_scoring_path(backend),
        f"http-error {answers.broken_answer(name)}",
        f"http-error {answers.no_server(name)}",
        f"http-error {answers.no_answer(backend.name, timeout_ms)}",
        f"default-server {server_options(backend)}",
        *_model_answer(backend),
        f"http-after-response set-header azureml-model-deployment {backend.deployment}",
        *_handover(backend),
        *_counting(name),
        f"server {LAST_RESORT} unix@run/{LAST_RESORT}.sock backup no-check maxconn 0",
    ]
    return section(f"backend {name}", *lines)


def server_options(backend: Backend) -> str:
    """Options of every server of the backend, whether it is in the configuration or added while HAProxy runs.

    The check only connects: an instance that is busy for long must not be taken for dead.
    """
    return (
        f"check inter 500ms fall 2 rise 1 observe layer4 error-limit 1 on-error mark-down maxconn {backend.concurrency}"
    )


def own_options(server: Server) -> str:
    """What a server has in place of its backend's options."""
    return "" if server.concurrency is None else f" maxconn {server.concurrency}"


def server_address(server: Server, settings: GatewaySettings) -> str:
    """Address of an instance. Sockets of the run folder are reached by a link beside the configuration, so that
    neither the length of the home's path nor the characters in it matter."""
    path = PurePosixPath(server.address)
    if path.parent == PurePosixPath(settings.run_folder):
        return "unix@run" + check_socket(f"/{path.name}")
    return ("unix@" if path.is_absolute() else "") + check_address(server.address)


def _holding(backend: Backend) -> list[str]:
    """While the deployment is asleep, Lua lets nobody pass. The body waits where it is: in the buffer, and what does
    not fit there with the caller, who is not read from; so its size does not matter."""
    if backend.hold is None:
        return []
    name, most = backend_name(backend.name), backend.hold.requests
    return [
        f"acl asleep str({name}),map({ASLEEP}) -m found",
        f"http-request return {answers.too_many_held(backend.name)} if asleep {{ be_conn({name}) gt {most} }}",
        f"http-request lua.hold {name} {_milliseconds(backend.hold.time)} {backend.concurrency} if asleep",
        f"http-request return {answers.cannot_start(backend.name)} if {{ var(txn.held) -m str failed }}",
        f"http-request return {answers.still_starting(backend.name, backend.hold.time)}"
        " if { var(txn.held) -m str late }",
        f"http-request return {answers.ending()} if {{ var(txn.held) -m str ending }}",
    ]


def _handover(backend: Backend) -> list[str]:
    if backend.hold is None:
        return []
    name = backend_name(backend.name)
    return [
        f"http-request set-header x-penstock-backend {name} if {{ var(txn.held) -m str stopping }}",
        f"use-server {HANDOVER} if {{ var(txn.held) -m str stopping }}",
        f"server {HANDOVER} unix@run/{HANDOVER}.sock weight 0 no-check maxconn 0",
    ]


def _bounded_queue(backend: Backend) -> list[str]:
    """Without a queue, whoever finds no free instance is refused after the shortest timeout there is."""
    if not backend.queue_per_instance:
        return []
    full = f"{{ nbsrv,mul({backend.queue_per_instance}),sub(txn.waiting) le 0 }}"
    return [
        "acl some_wait queue gt 0",
        "http-request set-var(txn.waiting) queue if some_wait",
        # Who was held comes one by one, as the queue gets shorter.
        f"http-request return {answers.queue_full(backend.name)} if some_wait !{{ var(txn.held) -m found }} {full}",
    ]


def _bounded_body(backend: Backend, retry_bytes: int) -> list[str]:
    """Our worker bounds a body that comes in chunks; of another server nobody knows. What is buffered is bounded."""
    if not backend.own_server:
        return []
    chunked = "!{ req.hdr(content-length) -m found }"
    most = retry_bytes // 2
    return [f"http-request return {answers.length_required(most)} if {chunked} {{ req.body_size gt {most} }}"]


def _scoring_path(backend: Backend) -> list[str]:
    """After the copy for a mirror is made, which is a request for /score too."""
    if backend.scoring_path == SCORE_PATH:
        return []
    return [f"http-request set-path {backend.scoring_path} if {{ path {SCORE_PATH} }}"]


def _model_answer(backend: Backend) -> list[str]:
    """How long the model took, and 424 for what Azure takes for its failure."""
    failed = "" if backend.strict else " if { status ge 500 }"
    return [
        # The answer has been through all this in the worker that it was handed to.
        *([f"http-response allow if {{ srv_name -m str {HANDOVER} }}"] if backend.hold is not None else []),
        # Our worker answers with the id that it was given; of another server nobody knows.
        *(["http-response del-header x-request-id"] if backend.own_server else []),
        "http-response set-header ms-azureml-model-time %Tr",
        "http-response allow if { status 200 }",
        *_last_resort(backend),
        f"http-response set-header ms-azureml-model-error-statuscode %[status]{failed}",
        f"http-response set-header ms-azureml-model-error-reason {answers.MODEL_ERROR}{failed}",
        f'http-response set-status 424 reason "Failed Dependency"{failed}',
    ]


def _last_resort(backend: Backend) -> list[str]:
    name = backend_name(backend.name)
    return [
        f"acl nobody srv_name -m str {LAST_RESORT}",
        f"http-response return {answers.instance_died(backend.name)} if nobody {{ lua.died({name}) -m bool }}",
        f"http-response return {answers.no_healthy_instance_of(backend.name)} if nobody",
    ]


def _counting(name: str) -> list[str]:
    """Who is at fault, noted for `show failures`. Where Azure is followed strictly, a refusal has become 424 here."""
    return [
        "http-after-response allow if { status lt 400 }",
        f"http-after-response set-var(txn.counted) lua.refused({name})"
        " if { status lt 500 } !{ res.fhdr(ms-azureml-model-error-reason) -m found }"
        " || { res.hdr_val(ms-azureml-model-error-statuscode) 400:499 }",
        f"http-after-response set-var(txn.counted) lua.failed({name}) unless {{ var(txn.counted) -m found }}",
    ]


def _milliseconds(duration: timedelta) -> int:
    return max(1, round(duration.total_seconds() * 1000))
