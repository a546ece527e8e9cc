"""What a deployment's properties say of the prediction that is tried before it gets traffic. Pure."""

from posixpath import isabs, normpath
from typing import TYPE_CHECKING

from penstock.domain.errors import invalid

if TYPE_CHECKING:
    from penstock.domain.batch_deployment import BatchDeployment
    from penstock.domain.deployment import OnlineDeployment

SKIP_PROPERTY = "penstock.skip_script_validation"  # "true": no prediction is tried
REQUEST_PROPERTY = "penstock.sample_request"  # path of a sample request inside the code folder


def is_skipped(deployment: "OnlineDeployment | BatchDeployment") -> bool:
    return deployment.properties.get(SKIP_PROPERTY, "").lower() == "true"


def sample_request(deployment: "OnlineDeployment") -> str | None:
    """The path of the sample request in the code folder, if the deployment names one.

    Raises `invalid` for one without a code folder, or outside it.
    """
    path = deployment.properties.get(REQUEST_PROPERTY)
    if path is None:
        return None
    what = f"deployment {deployment.name!r}: property {REQUEST_PROPERTY}"
    if deployment.code_configuration is None:
        raise invalid(f"{what} names a file in the code folder, and there is no code_configuration")
    plain = normpath(path)
    if isabs(plain) or plain.startswith(".."):
        raise invalid(f"{what} is {path!r}: give a path inside the code folder")
    return plain
