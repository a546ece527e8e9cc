"""What users do with webhooks."""

import socket
import uuid
from collections.abc import Callable, Sequence
from typing import Literal

from penstock.control.clock import Clock
from penstock.control.cloud_events import cloud_event, key_of, signed
from penstock.control.resources import Change, Resources
from penstock.control.webhook_calls import Send
from penstock.control.webhook_secrets import WebhookSecrets
from penstock.domain.errors import Code, PenstockError, conflict, invalid, not_found, unavailable
from penstock.domain.events import Event
from penstock.domain.names import check_name
from penstock.domain.resource import Resource
from penstock.domain.webhook import WEBHOOK, SecretRequest, Webhook, WebhookStatus, WebhookTest

MOST_WEBHOOKS = 50  # each has a thread
_TRIES = 10  # at a status that deliveries change too

AWebhook = Resource[Webhook, WebhookStatus]
Handshake = Callable[[str, str], Literal["allowed", "denied", "unanswered"]]


class Webhooks:
    """`send` and `handshake` call receivers, `source` is the platform in the words of CloudEvents."""

    def __init__(
        self,
        resources: Resources,
        secrets: WebhookSecrets,
        clock: Clock,
        *,
        send: Send,
        handshake: Handshake,
        source: str,
    ) -> None:
        self._resources = resources
        self._secrets = secrets
        self._clock = clock
        self._send = send
        self._handshake = handshake
        self._source = source

    def named(self, name: str, spec: Webhook) -> Webhook:
        """`spec` under its name. Raises `invalid` for bad names."""
        check_name("webhook", name)
        if spec.name not in (None, name):
            raise invalid(f"webhook {name!r}: the file says name: {spec.name!r}; the two must be the same")
        return spec.model_copy(update={"name": name})

    def apply(self, name: str, spec: Webhook, *, actor: str, generation: int | None = None) -> tuple[AWebhook, Change]:
        """Create or change a webhook; a receiver that is new to it is asked first whether it agrees.

        Raises `denied` where it says that it does not; one that does not answer the question is sent events. Raises
        `conflict` for more webhooks than are kept.
        """
        spec = self.named(name, spec)
        before = self._resources.find(WEBHOOK, name)
        if before is None and len(self._resources.list(WEBHOOK)) >= MOST_WEBHOOKS:
            raise conflict(f"there are {MOST_WEBHOOKS} webhooks already: delete one first")
        new = before is None or before.spec.url != spec.url
        if new and self._handshake(spec.url, socket.gethostname()) == "denied":
            raise PenstockError(
                Code.DENIED,
                f"webhook {name!r}: its receiver does not take events from {socket.gethostname()}: allow that in its "
                "answer to OPTIONS (WebHook-Allowed-Origin)",
            )
        return self._resources.apply(WEBHOOK, name, spec, actor=actor, generation=generation)

    def set_secret(self, name: str, wanted: SecretRequest, *, actor: str) -> bool:
        """Sign with this secret from now on; False if there is one and it is to be left."""
        key_of(wanted.secret)
        webhook = self._resources.get(WEBHOOK, name)
        present = self._secrets.get(name, webhook.uid)
        if present == wanted.secret or (present is not None and wanted.only_if_absent):
            return False
        self._secrets.put(name, webhook.uid, wanted.secret)
        self._record(webhook, "SecretChanged", "deliveries are signed with another secret", actor)
        self._resources.enqueue(webhook.key)
        return True

    def delete(self, name: str, *, actor: str) -> AWebhook | None:
        """Begin to delete a webhook; None if there is none."""
        return self._resources.delete(WEBHOOK, name, actor=actor)

    def test(self, name: str, *, actor: str) -> WebhookTest:
        """Ask the receiver whether it agrees, and send it an event of type `penstock.Test`, which nobody repeats."""
        webhook = self._resources.get(WEBHOOK, name)
        secret = self._secrets.get(name, webhook.uid)
        if secret is None:
            raise conflict(f"webhook {name!r} has no secret: give it one with `penstock webhook create -n {name}`")
        agreed = self._handshake(webhook.spec.url, socket.gethostname())
        identity = f"test-{uuid.uuid4().hex}"
        body = cloud_event(self._test_event(webhook, actor), self._source, identity)
        outcome = self._send(webhook.spec.url, signed(identity, body, secret, self._clock.now()), body)
        return WebhookTest(
            handshake=agreed, status=outcome.status, seconds=round(outcome.seconds, 3), error=outcome.error
        )

    def replay(self, name: str, events: Sequence[int], *, actor: str) -> AWebhook:
        """Have dead letters sent again, all of them if none is named. Raises `not_found` for an event that is none."""
        for _ in range(_TRIES):
            webhook = self._resources.get(WEBHOOK, name)
            dead = [letter.event for letter in webhook.status.dead]
            strange = next((number for number in events if number not in dead), None)
            if strange is not None:
                raise not_found(f"webhook {name!r} has no dead letter {strange}; see `penstock webhook deliveries`")
            wanted = dict.fromkeys((*webhook.status.replay, *(events or dead)))
            status = webhook.status.model_copy(update={"replay": tuple(wanted)})
            stored = self._resources.set_status(WEBHOOK, webhook, status)
            if stored is not None:
                self._record(stored, "ReplayRequested", f"{len(events or dead)} dead letters are sent again", actor)
                return stored
        raise unavailable(f"webhook {name!r} could not be changed just now; try again")

    def _record(self, webhook: AWebhook, reason: str, message: str, actor: str) -> None:
        self._resources.record(WEBHOOK.name, webhook.name, reason, message, actor=actor, generation=webhook.generation)

    def _test_event(self, webhook: AWebhook, actor: str) -> Event:
        return Event(
            at=self._clock.now(),
            kind=WEBHOOK.name,
            name=webhook.name,
            generation=webhook.generation,
            reason="Test",
            message="a test; nothing has happened",
            actor=actor,
        )
