"""The frontend that clients reach: who calls, which endpoint, which deployment.

Requests pass the rules of this section one by one, so it only finds a backend for them. A request that finds none goes
to the refusals (`refusals.py`), which work out why. What most requests are, a POST to an endpoint's /score with all
traffic on one deployment, is decided by the first few rules.
"""

from penstock.gateway import answers, maps, paths
from penstock.gateway.backends import SUCCESSOR
from penstock.gateway.refusals import REFUSALS
from penstock.gateway.sections import section
from penstock.gateway.settings import GatewaySettings
from penstock.gateway.validity import check_host

# Every request has one, and whoever calls cannot choose it. Copies for mirrors are requests of their own.
UNIQUE_ID = 'unique-id-format "%[uuid()]"'

# Statuses as Azure has them: 500 and above are HAProxy's own here, as instances' have become 424.
STATUS_RULES = (
    "http-after-response allow if { status lt 502 }",
    "http-after-response set-status 408 if { status 504 }",
    f"http-after-response set-header ms-azureml-model-error-reason {answers.TOO_MANY}"
    " if { status 503 } { var(txn.failure) -m str TooManyRequests }",
    "http-after-response set-status 429 if { status 503 } { var(txn.failure) -m str TooManyRequests }",
    "http-after-response set-status 502 if { status 503 } { var(txn.failure) -m str InstanceFailed }",
    f"http-after-response set-header ms-azureml-model-error-reason {answers.MODEL_ERROR}"
    " if { status 502 } { var(txn.failure) -m str InstanceDied }",
    'http-after-response set-status 424 reason "Failed Dependency"'
    " if { status 502 } { var(txn.failure) -m str InstanceDied }",
)

_KEY_NAME = f"var(txn.endpoint),concat(:,txn.key),map({maps.KEYS})"


def frontend(settings: GatewaySettings, port: int, slots: int) -> str:
    """The section, with room for `slots` deployments of one endpoint."""
    return section(
        "frontend gateway",
        _bind(settings, port),
        f"bind unix@run/{SUCCESSOR}.sock mode 600",
        # The body is waited for in the backend: without a key, nobody fills a buffer.
        "no option http-buffer-request",
        *_log_rules(),
        *_retiring_rules(),
        *_identity_rules(),
        *_direct_rules(settings),
        *_endpoint_rules(),
        *_route_rules(),
        *_deployment_rules(slots),
        *_mirror_rules(),
        *_answer_rules(),
        "use_backend %[var(txn.backend)]",
        f"default_backend {REFUSALS}",
    )


def _bind(settings: GatewaySettings, port: int) -> str:
    name = check_host(settings.host)
    return f"bind [{name}]:{port}" if ":" in name else f"bind {name}:{port}"


def _log_rules() -> list[str]:
    """One line for each request that failed. Never headers or the query: they may hold secrets."""
    fields = (
        "%[date,utime(%Y-%m-%dT%H:%M:%SZ)] client=%ci status=%ST state=%ts backend=%b instance=%s retries=%rc "
        "queued=%bq ms=%Ta id=%{+Q}[var(txn.id)] own_id=%ID method=%HM path=%{+Q}HP"
    )
    return ["log stdout format raw local0", "option dontlog-normal", f"log-format {answers.quoted(fields)}"]


def _retiring_rules() -> list[str]:
    """After a reload the old worker still has the connections of callers who were idle, but is told of no change any
    more: what they ask next is the new worker's to answer, which listens on the socket that both know."""
    retiring = f"{{ stopping }} {{ nbsrv({SUCCESSOR}) gt 0 }}"
    return [f"http-request set-var(txn.backend) str({SUCCESSOR}) if {retiring}", f"http-request allow if {retiring}"]


def _identity_rules() -> list[str]:
    """`txn.id` is the caller's id, if there is one. Our own is `unique-id`, under a header of its own then."""
    return [
        UNIQUE_ID,
        "http-request del-header x-penstock- -m beg",
        "http-request set-var(txn.id) req.fhdr(x-request-id),bytes(0,100) if { req.fhdr(x-request-id),length gt 0 }",
        "acl named var(txn.id) -m found",
        "http-request set-header x-request-id %[unique-id] if !named",
        "http-request set-header x-request-id %[var(txn.id)] if named",
        "http-request set-header x-penstock-request %[unique-id] if named",
        "http-request set-var(txn.client_id) req.fhdr(x-ms-client-request-id),bytes(0,100)"
        " if { req.fhdr(x-ms-client-request-id) -m found }",
    ]


def _direct_rules(settings: GatewaySettings) -> list[str]:
    """A POST to /endpoints/NAME/score, for the one deployment that has all traffic, passes no further rules here."""
    return [
        f"http-request set-var(txn.endpoint) path,map({maps.PATHS})",
        "http-request set-var(txn.key) http_auth_bearer,sha2(256),hex",
        f"http-request set-var(txn.key_name) {_KEY_NAME}",
        "http-request del-header authorization",
        "acl allowed var(txn.key_name) -m found",
        "acl pinned req.fhdr(azureml-model-deployment),length gt 0",
        f"acl too_large req.hdr_val(content-length) gt {settings.max_body_bytes}",
        f"http-request set-var(txn.backend) var(txn.endpoint),map({maps.SOLE}) if allowed METH_POST !pinned !too_large",
        "acl direct var(txn.backend) -m found",
        "http-request set-path /score if direct",
        "http-request allow if direct",
    ]


def _endpoint_rules() -> list[str]:
    """Which endpoint, by path or else by host, what of it, and may the caller use it?"""
    return [
        "acl by_path path_beg /endpoints/",
        "http-request set-var(txn.route) path,field(4,/,0) if by_path",
        "http-request set-var(txn.route) path,field(2,/,0) if !by_path",
        f"http-request set-var(txn.endpoint) path,field(3,/),map({maps.ENDPOINTS}) if by_path",
        f"http-request set-var(txn.endpoint) req.hdr(host),host_only,lower,field(1,.),map({maps.HOSTS})"
        " if !by_path { req.hdr(host),host_only -m sub . }",
        f"http-request set-var(txn.key_name) {_KEY_NAME}",
    ]


def _route_rules() -> list[str]:
    """`txn.taken`: it is a request that a deployment shall answer. A body that is too large is refused later on."""
    return [
        *paths.ACLS,
        "http-request set-var(txn.taken) bool(true) if allowed scoring { method GET POST }",
        "http-request set-var(txn.taken) bool(true) if allowed !scoring METH_GET page",
        "http-request set-var(txn.taken) bool(true) if allowed !scoring METH_POST inference",
        # A browser asks first, without the key, whether it may call.
        "http-request set-var(txn.taken) bool(true) if METH_OPTIONS scoring"
        " { req.fhdr(access-control-request-method) -m found }"
        f" {{ var(txn.endpoint),map({maps.CORS}) -m found }}",
        "http-request unset-var(txn.taken) if too_large",
        "acl taken var(txn.taken) -m found",
        "http-request set-path /%[var(txn.route)] if taken",
    ]


def _deployment_rules(slots: int) -> list[str]:
    """The deployment that the caller names or is assigned to, or one drawn by the endpoint's cumulative percents."""
    draws = [
        f"http-request set-var(txn.deployment) var(txn.traffic),field({2 * slot + 2},|) if drawing"
        f" !{{ var(txn.deployment) -m found }} {{ var(txn.traffic),field({2 * slot + 1},|),sub(txn.draw) gt 0 }}"
        for slot in range(slots)
    ]
    return [
        f"http-request set-var(txn.traffic) var(txn.endpoint),map({maps.TRAFFIC}) if taken !pinned",
        "acl drawing var(txn.traffic) -m found",
        f"http-request set-var(txn.sticky) var(txn.endpoint),map({maps.STICKY}) if drawing",
        "http-request lua.assign if { var(txn.sticky) -m found }",
        "http-request set-var(txn.draw) rand(100) if drawing",
        *draws,
        "http-request set-var(txn.deployment) req.fhdr(azureml-model-deployment) if taken pinned",
        f"http-request set-var(txn.backend) var(txn.endpoint),concat(/,txn.deployment),map({maps.BACKENDS})"
        " if taken { var(txn.deployment) -m found }",
    ]


def _mirror_rules() -> list[str]:
    """One draw for all shadows: one with the lower percent gets a part of what one with the higher percent gets, so
    that their answers can be compared with each other too. The highest percent comes first."""
    return [
        f"http-request set-var(txn.mirror) var(txn.endpoint),map({maps.MIRRORS}) if drawing METH_POST",
        "acl mirrored var(txn.mirror) -m found",
        "http-request set-var(txn.toss) rand(100) if mirrored",
        "http-request unset-var(txn.mirror) if mirrored { var(txn.mirror),field(1,|),sub(txn.toss) le 0 }",
    ]


def _answer_rules() -> list[str]:
    """Ids, and statuses as Azure has them."""
    return [
        "http-after-response set-header x-request-id %[var(txn.id)] if named",
        "http-after-response set-header x-request-id %[unique-id] if !named !{ res.fhdr(x-request-id) -m found }",
        "http-after-response set-header x-ms-client-request-id %[var(txn.client_id)]"
        " if { var(txn.client_id) -m found }",
        *STATUS_RULES,
    ]
