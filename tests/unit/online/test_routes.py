"""Which servers, shares and limits the gateway is told."""

from dataclasses import replace
from datetime import timedelta

import pytest
from support.online import NOW, an_instance

from penstock.domain.deployment import OnlineDeployment, OnlineDeploymentStatus, RequestSettings
from penstock.domain.endpoint import KeyHashes, OnlineEndpoint, OnlineEndpointStatus
from penstock.domain.environment import Environment
from penstock.domain.instance import Phase
from penstock.domain.resource import Resource
from penstock.gateway.table import RoutingTable
from penstock.online.routes import limits, scoring_path, table

KEYS = KeyHashes(primary="A" * 64, secondary="B" * 64)
INSTANCES = [
    an_instance(0),
    an_instance(1, phase=Phase.STARTING),
    an_instance(2, phase=Phase.UNREADY),
    an_instance(3, phase=Phase.EXITED),
    replace(an_instance(4, draining_since=NOW), batch_requests=64),
]
STRICT = {"penstock.compat": "strict"}


def a_resource(kind: str, name: str, spec, status, **facts) -> Resource:
    marks = {"uid": "u", "generation": 1, "version": 1, "created_at": NOW, "updated_at": NOW}
    return Resource(kind=kind, name=name, spec=spec, status=status, **marks, **facts)


def the_table(
    *, keys: KeyHashes | None = KEYS, deleting: bool = False, of_endpoint: dict[str, str] | None = None, **deployment
) -> RoutingTable:
    spec = OnlineEndpoint(traffic={"blue": 100, "green": 0}, mirror_traffic={"green": 10}, properties=of_endpoint or {})
    since = NOW if deleting else None
    endpoint = a_resource("online-endpoint", "fraud", spec, OnlineEndpointStatus(keys=keys), deleting_since=since)
    wanted = OnlineDeployment(model="m", **deployment)
    blue = a_resource("online-deployment", "fraud/blue", wanted, OnlineDeploymentStatus())
    addresses = {i.name: f"/run/{i.name.ordinal}" for i in INSTANCES}
    return table([endpoint], [blue], {"fraud/blue": INSTANCES}, addresses)


def test_only_instances_that_can_answer_get_requests_and_draining_ones_finish_theirs() -> None:
    (backend,) = the_table().backends
    assert [(s.address, s.draining) for s in backend.servers] == [("/run/0", False), ("/run/4", True)]


def test_shares_of_zero_are_no_shares() -> None:
    (route,) = the_table().routes
    assert (dict(route.traffic), dict(route.mirror)) == ({"blue": 100}, {"green": 10})


def test_an_endpoint_that_is_being_deleted_or_has_no_keys_yet_has_no_route() -> None:
    assert the_table(deleting=True).routes == ()
    assert the_table(keys=None).routes == ()
    assert len(the_table(deleting=True).backends) == 1


def test_as_many_may_wait_as_may_be_worked_on_where_the_concurrency_is_given() -> None:
    given = RequestSettings(max_concurrent_requests_per_instance=3, max_queue_wait_ms=700)
    assert limits(given) == (3, 3, timedelta(milliseconds=700))


def test_without_a_concurrency_many_may_wait_for_as_long_as_a_request_may_take() -> None:
    concurrency, queue, wait = limits(RequestSettings(request_timeout_ms=900))
    assert queue > 10 * concurrency
    assert wait == timedelta(milliseconds=900)


def test_requests_go_where_the_images_own_server_takes_them() -> None:
    route = {"port": 8000, "path": "/v2/models/fraud/infer"}
    config = {"liveness_route": route, "readiness_route": route, "scoring_route": route}
    own = OnlineDeployment(model="m", environment=Environment(image="triton", inference_config=config))
    assert scoring_path(own) == "/v2/models/fraud/infer"
    assert scoring_path(OnlineDeployment(model="m", environment=Environment(image="penstock/base"))) == "/score"
    assert scoring_path(OnlineDeployment(model="m", environment="azureml:sklearn-1.5@latest")) == "/score"


def test_an_instance_that_batches_is_sent_two_batches_unless_the_deployment_says_how_many() -> None:
    assert [s.concurrency for s in the_table().backends[0].servers] == [None, 128]
    given = {"request_settings": {"max_concurrent_requests_per_instance": 3}}
    assert [s.concurrency for s in the_table(**given).backends[0].servers] == [None, None]


def test_azure_is_followed_strictly_where_the_deployment_or_its_endpoint_says_so() -> None:
    assert [t.backends[0].strict for t in (the_table(), the_table(properties=STRICT))] == [False, True]
    assert the_table(of_endpoint=STRICT).backends[0].strict


def test_browsers_may_ask_where_a_deployment_names_their_origins_but_not_where_azure_is_followed_strictly() -> None:
    origins = {"environment_variables": {"AML_CORS_ORIGINS": "https://shop.example"}}
    tables = the_table(), the_table(**origins), the_table(of_endpoint=STRICT, **origins)
    assert [t.routes[0].cors for t in tables] == [False, True, False]


@pytest.mark.parametrize("kind", [OnlineEndpoint, OnlineDeployment])
def test_a_compat_that_is_not_known_is_refused_with_the_remedy(kind) -> None:
    with pytest.raises(ValueError, match=r"penstock\.compat is 'azure': give 'strict', or leave it out"):
        kind.model_validate({"properties": {"penstock.compat": "azure"}})
