"""What an instance is told of the prediction that it tries before it serves. Pure."""

from posixpath import dirname, relpath

from penstock.domain.deployment import OnlineDeployment
from penstock.domain.samples import is_skipped, sample_request
from penstock_worker import contract


def sample_variables(spec: OnlineDeployment, *, proving: bool) -> dict[str, str]:
    """Variables of the contract. `proving`: the instance is the first of its revision, and must succeed.

    They are no part of the revision: what runs need not be replaced for them.
    """
    variables = {
        contract.REQUEST_TIMEOUT_MS: str(spec.request_settings.request_timeout_ms),
        contract.SAMPLE: contract.REQUIRED if proving else contract.TRIED,
    }
    if is_skipped(spec):
        variables[contract.SAMPLE] = contract.SKIPPED
    path = sample_request(spec)
    if path is not None and spec.code_configuration is not None:
        folder = dirname(spec.code_configuration.scoring_script)
        variables[contract.SAMPLE_REQUEST] = relpath(path, folder or ".")
    return variables
