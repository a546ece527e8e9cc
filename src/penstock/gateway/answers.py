"""The answers that the gateway gives itself, each a JSON error that says what to do, as HAProxy writes them."""

import json
from datetime import timedelta

TOO_MANY = "too_many_pending_request"  # Azure's reason
_TOO_MANY = {"ms_azureml_model_error_reason": TOO_MANY}
MODEL_ERROR = "model_error"  # Azure's too
_DIED = {"ms_azureml_model_error_statuscode": "502", "ms_azureml_model_error_reason": MODEL_ERROR}

ENDPOINT = "%[var(txn.endpoint)]"  # only ever set to the name of an endpoint that exists


def quoted(text: str) -> str:
    """`text` as one word of an HAProxy configuration, whatever is in it."""
    escaped = "".join(f"\\{c}" if c in '\\"$' else c for c in text)
    return f'"{escaped}"'


def error(status: int, code: str, message: str, **headers: str) -> str:
    """Arguments of `http-request return` and `http-error`. `message` may hold HAProxy's `%[...]` expressions."""
    fields = "".join(f" hdr {name.replace('_', '-')} {quoted(value)}" for name, value in headers.items())
    return f"status {status} content-type application/json{fields} lf-string {quoted(_body(code, message))}"


def healthy() -> str:
    return f"status 200 content-type application/json string {quoted(json.dumps({'status': 'ok'}))}"


def ready() -> str:
    return f"status 200 content-type application/json string {quoted(json.dumps({'status': 'ready'}))}"


def not_ready() -> str:
    message = f"no deployment of endpoint '{ENDPOINT}' that has traffic has an instance that is up"
    return error(503, "NotReady", message, Retry_After="1")


def endpoint_not_found() -> str:
    return error(404, "EndpointNotFound", "no endpoint has this address: check the endpoint's name in the URL")


def unauthorized() -> str:
    message = (
        f"endpoint '{ENDPOINT}' needs one of its keys in the header 'Authorization: Bearer KEY': "
        f"see 'penstock online-endpoint get-credentials --name {ENDPOINT}'"
    )
    return error(401, "Unauthorized", message, WWW_Authenticate="Bearer")


def route_not_found() -> str:
    message = (
        f"endpoint '{ENDPOINT}' has no such path: use /score, /swagger.json, or those of the Open Inference Protocol "
        "(/v2/models/NAME/infer, /v1/models/NAME:predict)"
    )
    return error(404, "RouteNotFound", message)


def method_not_allowed(allowed: str) -> str:
    message = f"endpoint '{ENDPOINT}' does not take this method here: use {allowed}"
    return error(405, "MethodNotAllowed", message, Allow=allowed)


def too_large(limit_bytes: int) -> str:
    message = f"the body is larger than {limit_bytes} bytes: send less in one request"
    return error(413, "PayloadTooLarge", message)


def deployment_not_found() -> str:
    message = f"the header azureml-model-deployment names no deployment of endpoint '{ENDPOINT}'"
    return error(404, "DeploymentNotFound", message)


def no_traffic() -> str:
    message = (
        f"no deployment of endpoint '{ENDPOINT}' has traffic: give one traffic, "
        "or name one in the header azureml-model-deployment"
    )
    return error(404, "NoTraffic", message)


def no_healthy_instance() -> str:
    message = f"a deployment of endpoint '{ENDPOINT}' that has traffic is not there yet: try again"
    return error(503, "NoHealthyInstance", message, Retry_After="1")


def no_healthy_instance_of(name: str) -> str:
    message = f"deployment '{name}' has no healthy instance: see its log, and try again"
    return error(503, "NoHealthyInstance", message, Retry_After="1")


def queue_full(name: str) -> str:
    message = f"too many requests wait for deployment '{name}': send fewer at a time, or give it more instances"
    return error(429, "TooManyRequests", message, Retry_After="1", **_TOO_MANY)


def too_many_held(name: str) -> str:
    message = (
        f"deployment '{name}' is asleep, and too many requests wait for its first instance already: send them later, "
        "or fewer at a time"
    )
    return error(429, "TooManyRequests", message, Retry_After="5", **_TOO_MANY)


def cannot_start(name: str) -> str:
    """gateway.lua has the reason."""
    body = (
        f'{{"error":{{"code":"InstanceCannotStart","message":"deployment \'{name}\' cannot start: %[var(txn.why)]"}}}}'
    )
    return f"status 503 content-type application/json hdr Retry-After 30 lf-string {quoted(body)}"


def still_starting(name: str, held: timedelta) -> str:
    message = (
        f"deployment '{name}' is asleep, and no instance of it was ready within {held.total_seconds():g} s: "
        "see its conditions, and try again"
    )
    return error(503, "InstanceNotReady", message, Retry_After="5")


def ending() -> str:
    message = "the platform is ending and starts no instance any more: send the request again later"
    return error(503, "PlatformEnding", message, Retry_After="5", Connection="close")


def no_answer(name: str, timeout_ms: int) -> str:
    """Written as 504, which is what HAProxy calls it; callers see 408."""
    message = (
        f"deployment '{name}' did not answer within {timeout_ms} ms: "
        "send less in one request, or raise request_timeout_ms"
    )
    return error(504, "RequestTimeout", message)


def no_server(backend: str) -> str:
    """Written as 503; gateway.lua finds out why there was no server, and callers see 429, 502 or 503 accordingly."""
    body = f'{{"error":{{%[lua.no_server({backend})]}}}}'
    return f"status 503 content-type application/json hdr Retry-After 1 lf-string {quoted(body)}"


def broken_answer(backend: str) -> str:
    """Written as 502; gateway.lua finds out whether the instance died of the request, and callers see 424 then."""
    body = f'{{"error":{{%[lua.broken_answer({backend})]}}}}'
    return f"status 502 content-type application/json lf-string {quoted(body)}"


def instance_died(name: str) -> str:
    message = (
        f"an instance of deployment '{name}' died while it worked on this request: see its log, and do not send the "
        "request again before the cause is known"
    )
    return error(424, "InstanceDied", message, **_DIED)


def length_required(limit_bytes: int) -> str:
    message = f"a body of more than {limit_bytes} bytes needs the header Content-Length here: send it, not in chunks"
    return error(411, "LengthRequired", message)


def bad_request() -> str:
    return error(400, "BadRequest", "this is not a valid HTTP request")


def slow_client(seconds: int) -> str:
    message = f"the request did not arrive within {seconds} seconds: send it faster, or in smaller parts"
    return error(408, "RequestTimeout", message)


def internal() -> str:
    return error(500, "InternalError", "the gateway failed: see its log")


def _body(code: str, message: str) -> str:
    return json.dumps({"error": {"code": code, "message": message}}, separators=(",", ":"))
