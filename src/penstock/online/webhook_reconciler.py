"""Says of a webhook how it is doing, and takes its secret away in the end. Deliveries are `control/webhooks.py`."""

from datetime import timedelta

from penstock.control.clock import Clock
from penstock.control.resources import Resources
from penstock.control.webhook_secrets import WebhookSecrets
from penstock.domain.resource import Condition, Key, Resource, Truth, with_condition
from penstock.domain.webhook import WEBHOOK, Webhook, WebhookStatus

_SOON = timedelta(milliseconds=100)
_RESYNC = timedelta(seconds=5)  # deliveries fail and succeed

AWebhook = Resource[Webhook, WebhookStatus]


class WebhookReconciler:
    def __init__(self, resources: Resources, secrets: WebhookSecrets, clock: Clock) -> None:
        self._resources = resources
        self._secrets = secrets
        self._clock = clock

    def reconcile(self, key: Key) -> timedelta | None:
        webhook = self._resources.find(WEBHOOK, key.name)
        if webhook is None:
            return None
        if webhook.deleting_since is not None:
            self._secrets.forget(key.name)
            self._resources.remove(WEBHOOK, webhook)
            return None
        signed = self._secrets.get(webhook.name, webhook.uid) is not None
        truth, reason, message = verdict(webhook, signed=signed)
        ready = Condition(name="Ready", truth=truth, reason=reason, message=message, since=self._clock.now())
        status = webhook.status.model_copy(
            update={
                "observed_generation": webhook.generation,
                "conditions": with_condition(webhook.status.conditions, ready),
            }
        )
        if status != webhook.status and self._resources.set_status(WEBHOOK, webhook, status) is None:
            return _SOON
        return _RESYNC


def verdict(webhook: AWebhook, *, signed: bool) -> tuple[Truth, str, str]:
    """Truth, reason and message of Ready; a receiver that is away makes no webhook unready."""
    status = webhook.status
    if not webhook.spec.enabled:
        return Truth.TRUE, "Disabled", "events wait until it is enabled"
    if not signed:
        return Truth.UNKNOWN, "NoSecret", f"give it one with `penstock webhook create -n {webhook.name}`; events wait"
    if status.gone_generation == webhook.generation:
        return Truth.FALSE, "Gone", "the receiver answered 410: events wait until the webhook is changed"
    if status.attempts is not None:
        attempts = status.attempts
        return Truth.TRUE, "Retrying", f"event {attempts.event} was tried {attempts.tries} times: {attempts.error}"
    return Truth.TRUE, "Delivering", f"{status.delivered} delivered, {len(status.dead)} dead letters"
