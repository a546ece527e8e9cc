"""What the dashboard shows."""

from datetime import UTC, datetime
from typing import Any

from penstock.domain.deployment import OnlineDeployment, OnlineDeploymentStatus
from penstock.domain.endpoint import OnlineEndpoint, OnlineEndpointStatus
from penstock.domain.events import Event
from penstock.domain.resource import Condition, Resource, Truth
from penstock.web.pages import login, overview

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>"


def a_resource(kind: str, name: str, spec, status) -> Resource:
    return Resource(
        kind=kind, name=name, uid="u", generation=1, version=1, spec=spec, status=status, created_at=NOW, updated_at=NOW
    )


def ready(message: str, truth: Truth = Truth.TRUE) -> dict:
    condition = Condition(name="Ready", truth=truth, reason="Serving", message=message, since=NOW)
    return {"observed_generation": 1, "conditions": (condition,)}


def the_page(message: str = "2 of 2 instances are ready", **status: Any) -> str:
    endpoint = a_resource(
        "online-endpoint",
        "fraud",
        OnlineEndpoint(traffic={"blue": 90, "green": 10}),
        OnlineEndpointStatus(**ready("routed")),
    )
    spec = OnlineDeployment(model="azureml:m:1", instance_count=2)
    found = OnlineDeploymentStatus(**ready(message), ready_instances=2, **status)
    blue = a_resource("online-deployment", "fraud/blue", spec, found)
    event = Event(at=NOW, kind="online-endpoint", name="fraud", reason="RolledBack", message=message, actor="ann@host")
    return overview([endpoint], {"fraud": [blue]}, [event], "http://127.0.0.1:8080")


def test_shows_state_instances_traffic_and_events() -> None:
    page = the_page()
    for part in ("fraud", "Succeeded", "2 of 2", "90 %", "RolledBack", "ann@host", "/endpoints/fraud/score"):
        assert part in page


def test_of_a_deployment_that_scales_it_shows_how_many_the_autoscaler_wants() -> None:
    assert "2 of 3, scaled" in the_page(scaled_instances=3)


def test_whatever_a_model_says_is_text_and_not_markup() -> None:
    assert HOSTILE not in the_page(HOSTILE)
    assert "&lt;script&gt;" in the_page(HOSTILE)
    assert HOSTILE not in login(HOSTILE)


def test_an_empty_platform_says_how_to_begin() -> None:
    assert "penstock online-endpoint create" in overview([], {}, [], "http://x")
