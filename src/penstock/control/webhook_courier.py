"""Brings one webhook's events to its receiver, one after the other, and writes down how far that is."""

import secrets
from collections.abc import Callable
from datetime import timedelta

from penstock.control.clock import Clock
from penstock.control.cloud_events import cloud_event, signed
from penstock.control.resources import PLATFORM, Resources
from penstock.control.webhook_calls import Send
from penstock.control.webhook_schedule import GONE, Outcome, after_replay, after_try
from penstock.control.webhook_secrets import WebhookSecrets
from penstock.domain.events import Event
from penstock.domain.resource import Resource
from penstock.domain.webhook import WEBHOOK, DeadLetter, Webhook, WebhookStatus

_BATCH = 200  # events that are looked at in one step
_AT_ONCE = timedelta()

AWebhook = Resource[Webhook, WebhookStatus]


class Courier:
    """`step` may be repeated at any time: what was sent and not written down is sent again, with the same id."""

    def __init__(
        self, name: str, resources: Resources, keep: WebhookSecrets, send: Send, clock: Clock, source: str
    ) -> None:
        self._name = name
        self._resources = resources
        self._secrets = keep
        self._send = send
        self._clock = clock
        self._source = source
        self._passed = 0  # id up to which nothing is for this webhook, beyond what the status says
        self._generation = 0  # of the filter that this is true for

    def step(self) -> timedelta | None:
        """Send at most one event; returns when to go on, None if only something new needs another look."""
        webhook = self._resources.find(WEBHOOK, self._name)
        if webhook is None or webhook.deleting_since is not None or not webhook.spec.enabled:
            return None
        if webhook.status.gone_generation == webhook.generation:
            return None
        secret = self._secrets.get(webhook.name, webhook.uid)
        if secret is None:
            return None
        if webhook.status.position is None:
            self._write(webhook, lambda status: status.model_copy(update={"position": self._beginning(webhook)}))
            return _AT_ONCE
        if webhook.status.replay:
            return self._replay(webhook, secret, webhook.status.replay[0])
        return self._next(webhook, secret, webhook.status.position)

    def _next(self, webhook: AWebhook, secret: str, position: int) -> timedelta | None:
        attempts, now = webhook.status.attempts, self._clock.now()
        if attempts is not None and attempts.next_at > now:
            return attempts.next_at - now
        event = self._following(webhook, position)
        if event is None:
            return _AT_ONCE if self._skipped(webhook, position) else None
        outcome = self._sent(webhook, secret, event)
        if outcome.status == GONE:
            self._write(webhook, lambda status: status.model_copy(update={"gone_generation": webhook.generation}))
            return None
        now, chance = self._clock.now(), secrets.SystemRandom().random()
        self._write(webhook, lambda status: after_try(status, event, outcome, now, chance), tell=True)
        return _AT_ONCE

    def _following(self, webhook: AWebhook, position: int) -> Event | None:
        """The next event that is asked for; None if there is none, or none in a whole batch."""
        if self._generation != webhook.generation:  # what was passed over may be asked for now
            self._passed, self._generation = position, webhook.generation
        batch = self._resources.events(after=max(self._passed, position), limit=_BATCH)
        for event in batch:
            if webhook.spec.events.takes(event):
                return event
            self._passed = event.id
        return None

    def _skipped(self, webhook: AWebhook, position: int) -> bool:
        """Write down a long way without an event that is asked for, so that nobody goes it again; True if it was."""
        if self._passed - position < _BATCH:
            return False
        passed = self._passed
        self._write(webhook, lambda status: status.model_copy(update={"position": passed}))
        return True

    def _replay(self, webhook: AWebhook, secret: str, number: int) -> timedelta:
        found = self._resources.events(after=number - 1, limit=1)
        if not found or found[0].id != number:
            self._write(webhook, lambda status: _not_replayed(status, number))
            return _AT_ONCE
        event = found[0]
        outcome = self._sent(webhook, secret, event)
        now = self._clock.now()
        self._write(webhook, lambda status: after_replay(status, event, outcome, now))
        return _AT_ONCE

    def _sent(self, webhook: AWebhook, secret: str, event: Event) -> Outcome:
        body = cloud_event(event, self._source)
        return self._send(webhook.spec.url, signed(str(event.id), body, secret, self._clock.now()), body)

    def _beginning(self, webhook: AWebhook) -> int:
        """The id of the event that the webhook was created with: it is sent what comes after."""
        own = self._resources.events(key=webhook.key)
        return next((event.id for event in own if event.at == webhook.created_at), own[-1].id if own else 0)

    def _write(
        self, webhook: AWebhook, change: Callable[[WebhookStatus], WebhookStatus], *, tell: bool = False
    ) -> None:
        """Change the status, whoever else writes it meanwhile; `tell`: with an event for each new dead letter."""
        present, seen = self._resources.find(WEBHOOK, self._name), -1
        while present is not None and present.uid == webhook.uid and present.version != seen:
            status = change(present.status)
            known = {letter.event for letter in present.status.dead}
            given_up = [letter for letter in status.dead if letter.event not in known] if tell else []
            events = [self._given_up(webhook, letter) for letter in given_up]
            if self._resources.set_status(WEBHOOK, present, status, *events) is not None:
                return
            # Refused though nobody has written: another control plane leads, and sends it again.
            present, seen = self._resources.find(WEBHOOK, self._name), present.version

    def _given_up(self, webhook: AWebhook, letter: DeadLetter) -> Event:
        return Event(
            at=letter.at,
            kind=WEBHOOK.name,
            name=webhook.name,
            generation=webhook.generation,
            reason="DeliveryGivenUp",
            message=f"event {letter.event} ({letter.reason}) after {letter.tries} tries: {letter.error}",
            actor=PLATFORM,
        )


def _not_replayed(status: WebhookStatus, number: int) -> WebhookStatus:
    return status.model_copy(update={"replay": tuple(each for each in status.replay if each != number)})
