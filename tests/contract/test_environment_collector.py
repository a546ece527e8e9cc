"""Which environments the platform removes by itself, and which it never does."""

from datetime import timedelta

import pytest
from support.deploying import Bench

from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.environment import Requirements
from penstock.online.environment_collector import EnvironmentCollector

MONTH = timedelta(days=30)


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def a_collector(bench: Bench, also_used: tuple[str, ...] = (), unused_for: timedelta | None = MONTH):
    return EnvironmentCollector(
        bench.environments, bench.resources, (bench.folder / "apps",), lambda: also_used, unused_for
    )


def built(bench: Bench, *packages: str) -> str:
    build = bench.environments.plan(Requirements(packages=packages))
    return bench.environments.ensure(build).fingerprint


def test_what_a_deployment_or_the_platform_itself_uses_is_never_removed(bench):
    bench.apply()
    bench.settle()
    serving = bench.shown().status.environment
    own, other = built(bench, "mlflow"), built(bench, "six")
    bench.clock.advance(10 * MONTH)
    collector = a_collector(bench, (own,))
    assert [one.fingerprint for one in collector.preview(MONTH)] == [other]
    assert [one.fingerprint for one in collector.collect(MONTH)] == [other]
    assert bench.environments.built(serving) is not None
    assert bench.environments.built(own) is not None


def test_what_a_running_revision_was_started_with_is_kept_also_if_the_deployment_has_moved_on(bench):
    bench.apply()
    bench.settle()
    serving = bench.shown().status.environment
    deployment = bench.shown()
    status = deployment.status.model_copy(update={"environment": None})
    bench.resources.set_status(ONLINE_DEPLOYMENT, deployment, status)
    bench.clock.advance(10 * MONTH)
    assert a_collector(bench).collect(MONTH) == []
    assert bench.environments.built(serving) is not None


def test_it_begins_some_minutes_after_the_start_and_goes_on_daily(bench):
    old = built(bench, "six")
    bench.clock.advance(10 * MONTH)
    collector = a_collector(bench)
    assert timedelta(0) < collector.step() < timedelta(hours=1)
    assert [one.fingerprint for one in bench.environments.unused((), MONTH)] == [old]
    assert collector.step() == timedelta(days=1)
    assert bench.environments.unused((), MONTH) == []
