"""The REST API: one application made of a router per noun."""

from fastapi import APIRouter, FastAPI

from penstock.api import artifacts, environments, errors, models, online_deployments, online_endpoints, platform
from penstock.api.limits import BodyLimit
from penstock.api.services import Services
from penstock.version import VERSION


def create_app(services: Services) -> FastAPI:
    """The application that serves `services` under `/api/v1`, described at `/api/v1/openapi.json`."""
    app = FastAPI(
        title="Penstock",
        version=VERSION,
        openapi_url="/api/v1/openapi.json",
        docs_url="/api/v1/docs",
        redoc_url=None,
    )
    app.state.services = services
    app.add_middleware(BodyLimit)
    errors.install(app)
    api = APIRouter(prefix="/api/v1")
    for noun in (online_endpoints, online_deployments, models, environments, artifacts, platform):
        api.include_router(noun.router)
    app.include_router(api)
    app.include_router(platform.open_router)
    return app
