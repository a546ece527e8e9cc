"""Where requests go that the frontend found no deployment for: each learns why. `/healthz` and an
endpoint's `/readyz` are answered here too."""

from penstock.gateway import answers, maps, paths
from penstock.gateway.sections import section

REFUSALS = "refusals"  # no deployment's: their names have a dot


def refusals(max_body_bytes: int) -> str:
    """The section."""
    return section(
        f"backend {REFUSALS}",
        "no option http-buffer-request",
        f"http-request return {answers.healthy()} if METH_GET {{ path /healthz }}",
        f"http-request return {answers.endpoint_not_found()} unless {{ var(txn.endpoint) -m found }}",
        # For load balancers, which have no key.
        "acl asks_readiness var(txn.route) -m str readyz",
        f"http-request set-var(txn.shares) var(txn.endpoint),map({maps.TRAFFIC}) if asks_readiness",
        f"http-request return {answers.ready()} if METH_GET asks_readiness {{ lua.ready -m bool }}",
        f"http-request return {answers.not_ready()} if METH_GET asks_readiness",
        f"http-request return {answers.unauthorized()}"
        " unless { var(txn.key_name) -m found } || { var(txn.taken) -m found }",
        *paths.ACLS,
        f"http-request return {answers.route_not_found()} if !scoring !page !inference",
        f"http-request return {answers.method_not_allowed('GET, POST')} if scoring !METH_GET !METH_POST !METH_OPTIONS",
        f"http-request return {answers.method_not_allowed('GET, POST')} if scoring METH_OPTIONS"
        " !{ var(txn.taken) -m found }",
        f"http-request return {answers.method_not_allowed('GET')} if page !METH_GET",
        f"http-request return {answers.method_not_allowed('POST')} if inference !METH_POST",
        f"http-request return {answers.too_large(max_body_bytes)}"
        f" if {{ req.hdr_val(content-length) gt {max_body_bytes} }}",
        "acl pinned req.fhdr(azureml-model-deployment),length gt 0",
        f"http-request return {answers.deployment_not_found()} if pinned",
        f"http-request return {answers.no_traffic()} unless {{ var(txn.endpoint),map({maps.TRAFFIC}) -m found }}",
        f"http-request return {answers.no_healthy_instance()}",
    )
