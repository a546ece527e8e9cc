"""How many instances a deployment runs, where that is not its author's `instance_count`."""

from pydantic import Field

from penstock.domain.resource import Frozen, Kind, Status


class Scale(Frozen):
    """Written by the autoscaler, obeyed by the deployment's controller; named as the deployment, ENDPOINT/DEPLOYMENT.

    While it exists, `instances` takes the place of `instance_count`.
    """

    instances: int = Field(ge=0, le=1000)
    reason: str = ""  # a sentence: why so many


SCALE: Kind[Scale, Status] = Kind("scale", Scale, Status, revisions=100)
