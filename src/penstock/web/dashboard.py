"""The dashboard: what runs and what happened, for a browser, after a login with the platform's token. It only reads."""

import re
from collections import defaultdict
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Cookie, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from penstock.access import SESSION_COOKIE, Access
from penstock.control.resources import Resources
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.endpoint import ONLINE_ENDPOINT
from penstock.web.pages import Deployment, login, overview

_MLFLOW_PAGE = re.compile(r"/mlflow/[\w./-]*")
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
    """Routes `/` and `/login`. After the login a browser is sent to where it came from."""
    router = APIRouter(include_in_schema=False)
    access = Access(token)

    @router.get("/")
    def front(penstock_session: Annotated[str, Cookie()] = "") -> Response:  # pyright: ignore[reportUnusedFunction]
        if not access.by_session(penstock_session):
            return HTMLResponse(login(), 401, _HEADERS)
        deployments: dict[str, list[Deployment]] = defaultdict(list)
        for deployment in resources.list(ONLINE_DEPLOYMENT):
            deployments[deployment.name.partition("/")[0]].append(deployment)
        events = list(reversed(resources.last_events(limit=_EVENTS)))
        return HTMLResponse(
            overview(resources.list(ONLINE_ENDPOINT), deployments, events, gateway_url), headers=_HEADERS
        )

    @router.get("/login")
    def ask(next: str = "") -> Response:  # pyright: ignore[reportUnusedFunction]
        return HTMLResponse(login(next=_own_page(next)), 401, _HEADERS)

    @router.post("/login")
    async def sign_in(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        fields = parse_qs((await request.body()).decode("utf-8", errors="replace"))
        page = _own_page(fields.get("next", [""])[0])
        if not access.by_token(fields.get("token", [""])[0]):
            return HTMLResponse(login("That is not the token of this platform.", next=page), 401, _HEADERS)
        answer = RedirectResponse(page, 303, _HEADERS)
        answer.set_cookie(SESSION_COOKIE, access.session, max_age=_SESSION_SECONDS, httponly=True, samesite="strict")
        return answer

    return router


def _own_page(wanted: str) -> str:
    """`wanted` if it is a page of MLflow's here, else the dashboard: nobody is led elsewhere by a link to us."""
    return wanted if _MLFLOW_PAGE.fullmatch(wanted) else "/"
