"""What serves webhooks, put together: what users do, what reconciles, what delivers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from penstock.control.clock import Clock
from penstock.control.cloud_events import source
from penstock.control.resources import Resources
from penstock.control.webhook_calls import handshake, send
from penstock.control.webhook_courier import Courier
from penstock.control.webhook_secrets import WebhookSecrets
from penstock.control.webhooks import WebhookDeliveries
from penstock.online.webhook_reconciler import WebhookReconciler
from penstock.online.webhooks import Webhooks


@dataclass(frozen=True, kw_only=True)
class WebhookParts:
    webhooks: Webhooks
    reconciler: WebhookReconciler
    deliveries: WebhookDeliveries


def webhook_parts(
    resources: Resources, clock: Clock, leading: Callable[[], bool], secrets_folder: Path, database_url: str
) -> WebhookParts:
    """The parts of a control plane; `database_url` tells its platform from others, `leading` whether it delivers."""
    secrets, origin = WebhookSecrets(secrets_folder), source(database_url)

    def courier(name: str) -> Courier:
        return Courier(name, resources, secrets, send, clock, origin)

    return WebhookParts(
        webhooks=Webhooks(resources, secrets, clock, send=send, handshake=handshake, source=origin),
        reconciler=WebhookReconciler(resources, secrets, clock),
        deliveries=WebhookDeliveries(resources, courier, leading, clock),
    )
