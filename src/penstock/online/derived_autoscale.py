"""The autoscale that a deployment's own scale_settings ask for: Azure's `target_utilization` for Kubernetes. Pure."""

from datetime import timedelta

from penstock.domain.autoscale import Autoscale, Concurrency
from penstock.domain.deployment import OnlineDeployment

_MOST_POLLING = timedelta(seconds=60)


def derived_autoscale(deployment: OnlineDeployment) -> Autoscale | None:
    """As Azure's router does it: busy and queued requests over what the instances take, against the target.

    More instances within a polling interval, fewer after a minute. None where scale_settings do not ask for it.
    """
    settings = deployment.scale_settings
    if settings is None or settings.type == "default":
        return None
    polling = min(settings.polling_interval, _MOST_POLLING)
    return Autoscale(
        endpoint_name=deployment.endpoint_name,
        deployment_name=deployment.name,
        min=settings.min_instances,
        max=settings.max_instances,
        concurrency=Concurrency(
            target_utilization_percentage=settings.target_utilization_percentage,
            panic_window=polling,
            panic_threshold_percentage=110,
            scale_in_delay=timedelta(0),
        ),
        source="scale_settings",
    )
