"""What MLflow's callers do with deployments, in their words: names, configs and dictionaries."""

from collections.abc import Mapping
from typing import Any

from penstock.client.client import Client
from penstock.client.resources import AppliedDeployment, Deployment, Endpoint
from penstock.domain.deployment import OnlineDeployment
from penstock.domain.endpoint import OnlineEndpoint
from penstock.domain.errors import Code, PenstockError, conflict, invalid, not_found
from penstock.domain.fields import parse
from penstock.domain.model import Model
from penstock.mlflow_deployments.config import Wanted, deployment_config, merged
from penstock.mlflow_deployments.payload import body, predictions
from penstock.mlflow_deployments.shares import with_share
from penstock.mlflow_deployments.sources import Download, deployable
from penstock.mlflow_deployments.target import FLAVOR, Place, place

Config = Mapping[str, Any] | None

_TRIES = 5  # at a traffic that others are changing


class Deployments:
    """The deployments of one platform. All calls return once what they ask for is so."""

    def __init__(self, client: Client, download: Download) -> None:
        self._client = client
        self._download = download

    def create(self, name: str, model_uri: str, config: Config, endpoint: str | None) -> dict[str, Any]:
        """Deploy a model, and make its endpoint if there is none. Raises `conflict` if the deployment exists.

        The first deployment of an endpoint gets all of its traffic, unless the config says otherwise.
        """
        wanted = deployment_config(config)
        where = place(name, endpoint or wanted.endpoint)
        if self._find(where) is not None:
            raise conflict(f"deployment {where.name!r} exists: update it, or delete it first")
        if self._client.online_endpoints.find(where.endpoint) is None:
            made = self._client.online_endpoints.create_or_update(OnlineEndpoint(name=where.endpoint))
            self._client.wait(made.resource.kind, made.resource.name, made.resource.generation)
        model = deployable(self._client, model_uri, where, self._download)
        self._apply(where, _with_model(wanted.fields, model), if_match=None)
        self._give_traffic(where, wanted, first=True)
        return self.get(name, endpoint or wanted.endpoint)

    def update(self, name: str, model_uri: str | None, config: Config, endpoint: str | None) -> dict[str, Any]:
        """Change what is given, one instance after the other. Raises `not_found` if there is no such deployment."""
        wanted = deployment_config(config)
        where = place(name, endpoint or wanted.endpoint)
        present = self._get(where)
        fields = merged(present.spec.model_dump(mode="json", by_alias=True, exclude_none=True), wanted.fields)
        if model_uri is not None:
            fields = _with_model(fields, deployable(self._client, model_uri, where, self._download))
        self._apply(where, fields, if_match=present.generation)
        self._give_traffic(where, wanted, first=False)
        return self.get(name, endpoint or wanted.endpoint)

    def delete(self, name: str, endpoint: str | None) -> None:
        """Fine if there is none. An endpoint that was made for this deployment alone goes with it."""
        where = place(name, endpoint)
        if where.own and endpoint is None and not self._others(where):
            gone = self._client.online_endpoints.delete(where.endpoint)
        else:
            try:
                gone = self._client.online_deployments.delete(where.endpoint, where.deployment)
            except PenstockError as err:
                if err.code is not Code.NOT_FOUND:
                    raise
                return
        if gone is not None:
            self._client.wait_gone(gone)

    def get(self, name: str, endpoint: str | None) -> dict[str, Any]:
        where = place(name, endpoint)
        return _shown(self._get(where), self._client.online_endpoints.get(where.endpoint), name)

    def list(self, endpoint: str | None) -> list[dict[str, Any]]:
        """The deployments of one endpoint, or of all."""
        wanted = [self._client.online_endpoints.get(endpoint)] if endpoint else self._client.online_endpoints.list()
        found: list[dict[str, Any]] = []
        for holder in wanted:
            for deployment in self._client.online_deployments.list(holder.name):
                last = deployment.name.partition("/")[2]
                found.append(_shown(deployment, holder, last if endpoint else Place(holder.name, last).name))
        return found

    def predict(self, name: str | None, inputs: Any, endpoint: str | None) -> dict[str, Any]:
        """Ask one deployment, or the endpoint as its traffic says. Raises what it answers if that is a refusal."""
        if name is None and endpoint is None:
            raise invalid("give the name of a deployment, or an endpoint")
        where = place(name, endpoint) if name is not None else None
        target = where.endpoint if where is not None else str(endpoint)
        pinned = where.deployment if where is not None else None
        scored = self._client.online_endpoints.invoke(target, body(inputs), deployment_name=pinned)
        if scored.status >= 400:
            code = Code.UNAVAILABLE if scored.status in (429, 503) else Code.FAILED
            said = scored.body[:2000].decode(errors="replace")
            raise PenstockError(code, f"endpoint {target!r} answered {scored.status}: {said}")
        return predictions(scored.body)

    def _apply(self, where: Place, fields: Mapping[str, Any], *, if_match: int | None) -> None:
        given = {**fields, "name": where.deployment, "endpoint_name": where.endpoint}
        spec = parse(OnlineDeployment, given, f"deployment {where.name!r}")
        applied: AppliedDeployment = self._client.online_deployments.create_or_update(spec, if_match=if_match)
        self._client.wait(applied.resource.kind, applied.resource.name, applied.resource.generation)

    def _give_traffic(self, where: Place, wanted: Wanted, *, first: bool) -> None:
        for left in reversed(range(_TRIES)):
            present = self._client.online_endpoints.get(where.endpoint)
            alone = first and not any(present.spec.traffic.values())
            percent = 100 if wanted.traffic is None and alone else wanted.traffic
            if percent is None:
                return
            traffic = with_share(present.spec.traffic, where.deployment, percent)
            spec = present.spec.model_copy(update={"traffic": traffic})
            try:
                applied = self._client.online_endpoints.create_or_update(spec, if_match=present.generation)
            except PenstockError as err:
                if err.code is Code.CONFLICT and left:
                    continue
                raise
            self._client.wait(applied.resource.kind, applied.resource.name, applied.resource.generation)
            return

    def _others(self, where: Place) -> bool:
        if self._client.online_endpoints.find(where.endpoint) is None:
            return False
        return any(d.name != where.key for d in self._client.online_deployments.list(where.endpoint))

    def _find(self, where: Place) -> Deployment | None:
        try:
            return self._client.online_deployments.get(where.endpoint, where.deployment)
        except PenstockError as err:
            if err.code is Code.NOT_FOUND:
                return None
            raise

    def _get(self, where: Place) -> Deployment:
        found = self._find(where)
        if found is None:
            raise not_found(f"there is no deployment {where.name!r}: list shows those there are")
        return found


def _with_model(fields: Mapping[str, Any], model: str | Model) -> dict[str, Any]:
    shown = model if isinstance(model, str) else model.model_dump(mode="json", exclude_none=True)
    return {**fields, "model": shown}


def _shown(deployment: Deployment, endpoint: Endpoint, name: str) -> dict[str, Any]:
    last = deployment.name.partition("/")[2]
    ready = deployment.status.condition("Ready")
    model = deployment.spec.model
    return {
        "name": name,
        "flavor": FLAVOR,
        "endpoint": endpoint.name,
        "model": model.path if isinstance(model, Model) else model,
        "state": deployment.provisioning_state,
        "message": ready.message if ready is not None else "",
        "instance_count": deployment.spec.instance_count,
        "ready_instances": deployment.status.ready_instances,
        "traffic": endpoint.spec.traffic.get(last, 0),
        "scoring_uri": endpoint.scoring_uri,
    }
