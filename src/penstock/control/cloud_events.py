"""Events as CloudEvents 1.0 in structured mode, and how they are signed. Pure.

The signature is that of the Standard Webhooks specification: HMAC-SHA256 over `ID.TIMESTAMP.BODY`.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import datetime

from penstock.domain.errors import invalid
from penstock.domain.events import Event

MEDIA_TYPE = "application/cloudevents+json"
_PREFIX = "whsec_"  # of a secret that is written as base64
_LEAST_BYTES = 16


def source(database_url: str) -> str:
    """Which platform it is: the same for all control planes on one database; holds no credentials."""
    place = re.sub(r"//[^/@]*@", "//", database_url.partition("?")[0])
    return f"/penstock/{hashlib.sha256(place.encode()).hexdigest()[:12]}"


def cloud_event(event: Event, origin: str, identity: str = "") -> bytes:
    """The event as JSON. Its type is `penstock.` and the reason; its id, with the source, is the same at each try."""
    return json.dumps(
        {
            "specversion": "1.0",
            "id": identity or str(event.id),
            "source": origin,
            "type": f"penstock.{event.reason}",
            "subject": f"{event.kind}/{event.name}",
            "time": event.at.isoformat(),
            "datacontenttype": "application/json",
            "data": event.model_dump(mode="json", exclude={"id", "at"}),
        }
    ).encode()


def signed(identity: str, body: bytes, secret: str, at: datetime) -> Mapping[str, str]:
    """The headers of a delivery."""
    timestamp = str(int(at.timestamp()))
    content = b".".join((identity.encode(), timestamp.encode(), body))
    digest = hmac.new(key_of(secret), content, hashlib.sha256).digest()
    return {
        "Content-Type": f"{MEDIA_TYPE}; charset=utf-8",
        "webhook-id": identity,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def key_of(secret: str) -> bytes:
    """The key in a secret: `whsec_` and base64, or the text itself. Raises `invalid` for one that is none."""
    key = secret.encode()
    if secret.startswith(_PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise invalid(f"the secret begins with {_PREFIX} and does not go on as base64") from None
    if len(key) < _LEAST_BYTES:
        raise invalid(f"the secret has {len(key)} bytes: give at least {_LEAST_BYTES}")
    return key
