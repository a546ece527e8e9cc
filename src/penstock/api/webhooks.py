"""Webhooks over HTTP. Secrets come in and never go out."""

from typing import Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from penstock.api.services import Actor, Generation, JsonBody, Platform
from penstock.api.shapes import Changed, Items, Shown, changed, deleted, items, previewed, shown
from penstock.domain.fields import parse
from penstock.domain.webhook import WEBHOOK, ReplayRequest, SecretRequest, Webhook, WebhookTest

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


class SecretSet(BaseModel):
    """`changed` is false if the webhook had a secret that was to be left."""

    changed: bool


@router.get("")
def list_webhooks(platform: Platform, _: Actor) -> Items:
    return items(platform.resources.list(WEBHOOK))


@router.get("/{name}")
def get_webhook(name: str, platform: Platform, _: Actor) -> Any:
    return shown(platform.resources.get(WEBHOOK, name))


@router.put("/{name}")
def put_webhook(
    name: str,
    platform: Platform,
    actor: Actor,
    generation: Generation,
    body: JsonBody,
    *,
    dry_run: bool = Query(default=False),
) -> Changed:
    """Create the webhook, or change it if its content differs. A dry run only says what would change."""
    spec = parse(Webhook, body, f"webhook {name!r}")
    before = platform.resources.find(WEBHOOK, name)
    if dry_run:
        return previewed(before, platform.webhooks.named(name, spec))
    return changed(before, *platform.webhooks.apply(name, spec, actor=actor, generation=generation))


@router.delete("/{name}", response_model=None)
def delete_webhook(name: str, platform: Platform, actor: Actor) -> Response | dict[str, Any]:
    """Send nothing any more; 204 if there is none."""
    return deleted(platform.webhooks.delete(name, actor=actor))


@router.put("/{name}/secret")
def put_secret(name: str, platform: Platform, actor: Actor, body: JsonBody) -> SecretSet:
    """Sign with this secret from now on."""
    wanted = parse(SecretRequest, body, f"secret of webhook {name!r}")
    return SecretSet(changed=platform.webhooks.set_secret(name, wanted, actor=actor))


@router.post("/{name}/test")
def test_webhook(name: str, platform: Platform, actor: Actor) -> WebhookTest:
    """Ask the receiver whether it agrees, and send it a test event."""
    return platform.webhooks.test(name, actor=actor)


@router.post("/{name}/replay")
def replay(name: str, platform: Platform, actor: Actor, body: JsonBody) -> Shown:
    """Have dead letters sent again."""
    wanted = parse(ReplayRequest, body, "replay")
    return shown(platform.webhooks.replay(name, wanted.events, actor=actor))
