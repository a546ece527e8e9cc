"""The REST API: one application made of a router per noun."""

from fastapi import APIRouter, FastAPI

from penstock.api import (
    artifacts,
    autoscales,
    azure_jobs,
    batch_deployments,
    batch_endpoints,
    collections,
    compilations,
    computes,
    contracts,
    data,
    datastores,
    environment_care,
    environment_prune,
    environments,
    errors,
    golden,
    jobs,
    mlflow,
    models,
    observations,
    online_deployments,
    online_endpoints,
    platform,
    rollbacks,
    rollouts,
    shadows,
    validations,
    webhooks,
)
from penstock.api.limits import BodyLimit
from penstock.api.services import Services
from penstock.version import VERSION

_NOUNS = (
    online_endpoints,
    online_deployments,
    batch_endpoints,
    batch_deployments,
    jobs,
    computes,
    data,
    datastores,
    collections,
    contracts,
    autoscales,
    models,
    environments,
    environment_care,
    environment_prune,
    artifacts,
    golden,
    rollbacks,
    rollouts,
    shadows,
    webhooks,
    validations,
    compilations,
    observations,
    platform,
)


def create_app(services: Services) -> FastAPI:
    """The application that serves `services` under `/api/v1`, described at `/api/v1/openapi.json`; and `/mlflow`."""
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
    for noun in _NOUNS:
        api.include_router(noun.router)
    app.include_router(api)
    app.include_router(azure_jobs.router)
    app.include_router(platform.open_router)
    app.include_router(mlflow.routes(services.mlflow, services.token))
    return app
