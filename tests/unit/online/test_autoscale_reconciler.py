"""Autoscales come and go with their deployments."""

from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock.control.resources import PLATFORM, Resources
from penstock.domain.autoscale import AUTOSCALE, Autoscale
from penstock.domain.deployment import ONLINE_DEPLOYMENT, OnlineDeployment
from penstock.domain.errors import Code, PenstockError
from penstock.domain.fields import parse
from penstock.domain.resource import Key, Truth
from penstock.online.autoscale_reconciler import AutoscaleReconciler
from penstock.online.autoscales import Autoscales
from penstock.online.derived_autoscale import derived_autoscale
from penstock.store.sql import open_store
from penstock.testing.clock import ManualClock

NAME = "wine/blue"
KEY = Key(AUTOSCALE.name, NAME)
BUSY = {"type": "target_utilization", "min_instances": 2, "max_instances": 6, "polling_interval": 10}


def a_deployment(**changes: Any) -> OnlineDeployment:
    return parse(OnlineDeployment, {"name": "blue", "endpoint_name": "wine", "model": "azureml:m:1", **changes}, "blue")


def an_autoscale(**changes: Any) -> Autoscale:
    return parse(Autoscale, {"max": 3, **changes}, "autoscale")


@pytest.fixture
def resources(tmp_path: Path) -> Generator[Resources]:
    store = open_store(f"sqlite:///{tmp_path / 'p.db'}")
    yield Resources(store, ManualClock(), lambda _: None)
    store.close()


@pytest.fixture
def reconciler(resources: Resources) -> AutoscaleReconciler:
    return AutoscaleReconciler(resources, ManualClock())


def deployed(resources: Resources, **changes: Any) -> None:
    resources.apply(ONLINE_DEPLOYMENT, NAME, a_deployment(**changes), actor="me")


def undeployed(resources: Resources) -> None:
    resources.delete(ONLINE_DEPLOYMENT, NAME, actor="me")
    resources.remove(ONLINE_DEPLOYMENT, resources.get(ONLINE_DEPLOYMENT, NAME))


def reconciled(resources: Resources, reconciler: AutoscaleReconciler) -> Autoscale | None:
    """The autoscale after as many steps as there may be to take."""
    for _ in range(4):
        reconciler.reconcile(KEY)
    found = resources.find(AUTOSCALE, NAME)
    return found.spec if found else None


def test_an_autoscale_in_force_says_so(resources: Resources, reconciler: AutoscaleReconciler) -> None:
    deployed(resources)
    Autoscales(resources).apply("wine", "blue", an_autoscale(), actor="me")
    reconciled(resources, reconciler)
    ready = resources.get(AUTOSCALE, NAME).status.condition("Ready")
    assert ready is not None
    assert (ready.truth, ready.message) == (Truth.TRUE, "1 to 3 instances by requests in flight")


def test_it_goes_with_its_deployment_and_is_not_inherited(
    resources: Resources, reconciler: AutoscaleReconciler
) -> None:
    deployed(resources)
    Autoscales(resources).apply("wine", "blue", an_autoscale(), actor="me")
    reconciled(resources, reconciler)
    undeployed(resources)
    deployed(resources)  # before anybody has looked
    assert reconciled(resources, reconciler) is None


def test_it_is_not_kept_without_a_deployment(resources: Resources, reconciler: AutoscaleReconciler) -> None:
    deployed(resources)
    Autoscales(resources).apply("wine", "blue", an_autoscale(), actor="me")
    undeployed(resources)
    assert reconciled(resources, reconciler) is None


def test_scale_settings_make_change_and_take_away_an_autoscale(
    resources: Resources, reconciler: AutoscaleReconciler
) -> None:
    deployed(resources, scale_settings=BUSY)
    made = reconciled(resources, reconciler)
    assert made == derived_autoscale(a_deployment(scale_settings=BUSY))
    deployed(resources, scale_settings={**BUSY, "max_instances": 9})
    changed = reconciled(resources, reconciler)
    assert changed is not None
    assert changed.max == 9
    deployed(resources, scale_settings={"type": "default"})
    assert reconciled(resources, reconciler) is None
    assert resources.last_events(key=KEY)[0].actor == PLATFORM


def test_an_autoscale_of_ones_own_takes_the_place_of_scale_settings_and_gives_it_back(
    resources: Resources, reconciler: AutoscaleReconciler
) -> None:
    autoscales = Autoscales(resources)
    deployed(resources, scale_settings=BUSY)
    reconciled(resources, reconciler)
    with pytest.raises(PenstockError, match="comes from scale_settings") as refused:
        autoscales.delete("wine", "blue", actor="me")
    assert refused.value.code is Code.CONFLICT
    autoscales.apply("wine", "blue", an_autoscale(), actor="me")
    own = reconciled(resources, reconciler)
    assert own is not None
    assert own.source is None
    autoscales.delete("wine", "blue", actor="me")
    back = reconciled(resources, reconciler)
    assert back is not None
    assert back.source == "scale_settings"


def test_scale_settings_mean_what_azures_router_means_by_them() -> None:
    spec = derived_autoscale(a_deployment(scale_settings={"type": "TargetUtilization"}))
    assert spec is not None
    assert (spec.min, spec.max, spec.concurrency.target_utilization_percentage) == (1, 1, 70)
    spec = derived_autoscale(a_deployment(scale_settings={**BUSY, "polling_interval": "PT10S"}))
    assert spec is not None
    assert spec.concurrency.panic_window == timedelta(seconds=10)


@pytest.mark.parametrize(
    ("changes", "code", "part"),
    [
        ({"endpoint_name": "beer"}, Code.INVALID, "the file says endpoint_name: 'beer'"),
        ({"source": "scale_settings"}, Code.INVALID, "remove `source`"),
        ({}, Code.NOT_FOUND, "there is no deployment 'blue' on endpoint 'wine'"),
    ],
)
def test_what_cannot_be_is_refused(resources: Resources, changes: dict[str, Any], code: Code, part: str) -> None:
    with pytest.raises(PenstockError, match="autoscale of wine/blue") as refused:
        Autoscales(resources).apply("wine", "blue", an_autoscale(**changes), actor="me")
    assert refused.value.code is code
    assert part in refused.value.message


def test_what_is_probably_not_meant_is_said(resources: Resources) -> None:
    deployed(resources, instance_count=7, scale_settings=BUSY)
    rule = {"condition": "CpuUtilizationPercentage > 70 avg 10m", "scale": "out 1", "cooldown": "1m"}
    autoscales = Autoscales(resources)
    told = "\n".join(autoscales.notices(autoscales.named("wine", "blue", an_autoscale(rules=[rule]))))
    assert "instance_count: 7 of deployment wine/blue has no effect" in told
    assert "scale_settings of deployment wine/blue have no effect" in told
    assert "rules to scale out and none to scale in" in told
    assert "the cool-down of 1m is much shorter than the window of 10m" in told
