"""Waiting ends when it is certain how it ends."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from penstock.client.resources import AnyRemote, Deployment
from penstock.client.waiting import wait_gone, wait_ready
from penstock.domain.deployment import OnlineDeployment, OnlineDeploymentStatus
from penstock.domain.errors import Code, PenstockError, not_found
from penstock.domain.resource import Condition, Truth

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_condition(name: str, truth: Truth, reason: str, message: str = "") -> Condition:
    return Condition(name=name, truth=truth, reason=reason, message=message, since=NOW)


BUILDING = a_condition("Environment", Truth.UNKNOWN, "Building")
BUILT = a_condition("Environment", Truth.TRUE, "Built", "built in 2.1 s")
READY = a_condition("Ready", Truth.TRUE, "Serving")
BROKEN = a_condition("Ready", Truth.FALSE, "UserScriptInitFailed", "init() of score.py failed")


def a_deployment(
    *conditions: Condition,
    state: str = "Creating",
    generation: int = 1,
    observed: int = 1,
    failure: str | None = None,
    deleting: bool = False,
) -> AnyRemote:
    return Deployment(
        kind="online-deployment",
        name="fraud/blue",
        uid="u1",
        generation=generation,
        version=1,
        spec=OnlineDeployment(model="azureml:m:1"),
        status=OnlineDeploymentStatus(observed_generation=observed, conditions=conditions, failure=failure),
        created_at=NOW,
        updated_at=NOW,
        deleting_since=NOW if deleting else None,
        provisioning_state=state,
    )


def looks(*found: AnyRemote | PenstockError) -> Callable[[], AnyRemote]:
    remaining: Iterator[AnyRemote | PenstockError] = iter(found)

    def look() -> AnyRemote:
        one = next(remaining)
        if isinstance(one, PenstockError):
            raise one
        return one

    return look


def waited(*found: AnyRemote, generation: int = 1, timeout: int = 60) -> tuple[AnyRemote, Sequence[str]]:
    told: list[str] = []
    resource = wait_ready(
        looks(*found), generation, timedelta(seconds=timeout), lambda c: told.append(c.reason), sleep=lambda _: None
    )
    return resource, told


def test_each_condition_is_told_when_it_changes() -> None:
    ready = a_deployment(BUILT, READY, state="Succeeded")
    resource, told = waited(a_deployment(observed=0), a_deployment(BUILDING), a_deployment(BUILDING), ready)
    assert resource == ready
    assert told == ["Building", "Built", "Serving"]


def test_yesterday_s_ready_is_not_today_s() -> None:
    stale = a_deployment(READY, state="Updating", generation=2, observed=1)
    fresh = a_deployment(BUILT, READY, state="Succeeded", generation=2, observed=2)
    assert waited(stale, fresh, generation=2) == (fresh, ["Built", "Serving"])


@pytest.mark.parametrize(
    ("failure", "details"),
    [
        ('Traceback (most recent call last):\n  File "score.py"', "traceback"),
        ("No matching distribution for foo", "log"),
        (None, None),
    ],
)
def test_a_failure_brings_the_users_own_traceback(failure: str | None, details: str | None) -> None:
    with pytest.raises(PenstockError, match=r"init\(\) of score.py failed") as raised:
        waited(a_deployment(BROKEN, state="Failed", failure=failure))
    assert raised.value.code is Code.FAILED
    assert raised.value.details == ({details: failure} if details else {})


def test_a_failure_of_an_earlier_generation_does_not_count() -> None:
    ready = a_deployment(READY, state="Succeeded", generation=2, observed=2)
    before = a_deployment(BROKEN, state="Updating", generation=2, observed=1)
    assert waited(before, ready, generation=2)[0] == ready


@pytest.mark.parametrize(
    ("found", "code"),
    [
        pytest.param(a_deployment(generation=2), Code.CONFLICT, id="changed again by somebody"),
        pytest.param(a_deployment(deleting=True), Code.NOT_FOUND, id="deleted by somebody"),
    ],
)
def test_waiting_for_what_will_not_come_ends(found: AnyRemote, code: Code) -> None:
    with pytest.raises(PenstockError) as raised:
        waited(found)
    assert raised.value.code is code


def test_waiting_ends_after_its_time() -> None:
    with pytest.raises(PenstockError, match="not ready after 1 s") as raised:
        waited(*[a_deployment()] * 100, timeout=1)
    assert raised.value.code is Code.UNAVAILABLE


def test_gone_is_gone_also_if_another_has_its_name() -> None:
    going = a_deployment(deleting=True, state="Deleting")
    successor = a_deployment().model_copy(update={"uid": "u2"})
    for last in (not_found("no"), successor):
        wait_gone(looks(going, last), going, timedelta(seconds=60), lambda _: None, sleep=lambda _: None)
