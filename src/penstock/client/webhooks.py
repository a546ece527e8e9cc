"""Webhooks: what can be asked of them."""

import base64
import json
import secrets
from collections.abc import Sequence

from penstock.client.resources import (
    Answer,
    AppliedWebhook,
    Preview,
    RemoteWebhook,
    understood,
    understood_items,
)
from penstock.client.transport import Transport
from penstock.domain.errors import invalid
from penstock.domain.names import check_name
from penstock.domain.webhook import Webhook, WebhookTest

_ROOT = "/webhooks"
_SECRET_BYTES = 32


class _SecretSet(Answer):
    changed: bool


class Webhooks:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create_or_update(self, webhook: Webhook, *, if_match: int | None = None) -> AppliedWebhook:
        """Make the webhook be as `webhook` says. It sends nothing before it has a secret: see `ensure_secret`.

        `if_match` is the generation that the edit was made on; raises `conflict` if it is no longer the present one.
        """
        content = webhook.model_dump_json().encode()
        return understood(AppliedWebhook, self._transport.put(_own_path(webhook), content, if_match=if_match))

    def ensure_secret(self, name: str) -> str | None:
        """A new secret if the webhook has none, to be shown this once; None if it has one."""
        secret = new_secret()
        return secret if self._put_secret(name, secret, only_if_absent=True) else None

    def set_secret(self, name: str, secret: str) -> None:
        """Sign with this secret from now on: `whsec_` and base64, or any text of 16 characters and more."""
        self._put_secret(name, secret, only_if_absent=False)

    def preview(self, webhook: Webhook) -> Preview:
        """What `create_or_update` would do."""
        content = webhook.model_dump_json().encode()
        return understood(Preview, self._transport.put(_own_path(webhook), content, query={"dry_run": "true"}))

    def get(self, name: str) -> RemoteWebhook:
        return understood(RemoteWebhook, self._transport.get(_path(name)))

    def list(self) -> list[RemoteWebhook]:
        return understood_items(RemoteWebhook, self._transport.get(_ROOT))

    def delete(self, name: str) -> RemoteWebhook | None:
        """Send nothing any more; None if there is no such webhook."""
        answer = self._transport.delete(_path(name))
        return understood(RemoteWebhook, answer["resource"]) if answer else None

    def test(self, name: str) -> WebhookTest:
        """What the receiver answers to the handshake and to a test event."""
        return understood(WebhookTest, self._transport.post(f"{_path(name)}/test"))

    def replay(self, name: str, events: Sequence[int] = ()) -> RemoteWebhook:
        """Have dead letters sent again, all of them if none is named."""
        return understood(RemoteWebhook, self._transport.post(f"{_path(name)}/replay", {"events": list(events)}))

    def _put_secret(self, name: str, secret: str, *, only_if_absent: bool) -> bool:
        content = {"secret": secret, "only_if_absent": only_if_absent}
        return understood(
            _SecretSet, self._transport.put(f"{_path(name)}/secret", json.dumps(content).encode())
        ).changed


def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _path(name: str) -> str:
    return f"{_ROOT}/{check_name('webhook', name)}"


def _own_path(webhook: Webhook) -> str:
    if webhook.name is None:
        raise invalid("the webhook has no name: give `name`")
    return _path(webhook.name)
