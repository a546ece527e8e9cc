"""The dashboard: what runs and what happened, for a browser, after a login with the platform's token. It only reads."""

import hashlib
import hmac
from collections import defaultdict
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Cookie, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from penstock.control.resources import Resources
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.endpoint import ONLINE_ENDPOINT
from penstock.web.pages import Deployment, login, overview

_COOKIE = "penstock_session"
_SESSION_SECONDS = 12 * 3600
_EVENTS = 30
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def dashboard(resources: Resources, token: str, gateway_url: str) -> APIRouter:
    """Routes `/` and `/login`. The session cookie is derived from the token, so that a new token ends all sessions."""
    router = APIRouter(include_in_schema=False)
    session = hmac.new(token.encode(), b"penstock dashboard", hashlib.sha256).hexdigest()

    @router.get("/")
    def front(penstock_session: Annotated[str, Cookie()] = "") -> Response:  # pyright: ignore[reportUnusedFunction]
        if not hmac.compare_digest(penstock_session.encode(), session.encode()):
            return HTMLResponse(login(), 401, _HEADERS)
        deployments: dict[str, list[Deployment]] = defaultdict(list)
        for deployment in resources.list(ONLINE_DEPLOYMENT):
            deployments[deployment.name.partition("/")[0]].append(deployment)
        events = list(reversed(resources.last_events(limit=_EVENTS)))
        return HTMLResponse(
            overview(resources.list(ONLINE_ENDPOINT), deployments, events, gateway_url), headers=_HEADERS
        )

    @router.post("/login")
    async def sign_in(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        fields = parse_qs((await request.body()).decode("utf-8", errors="replace"))
        given = fields.get("token", [""])[0].strip()
        if not hmac.compare_digest(given.encode(), token.encode()):
            return HTMLResponse(login("That is not the token of this platform."), 401, _HEADERS)
        answer = RedirectResponse("/", 303, _HEADERS)
        answer.set_cookie(_COOKIE, session, max_age=_SESSION_SECONDS, httponly=True, samesite="strict")
        return answer

    return router
