"""How much a deployment can take: found on one whose times are known."""

import pytest

from penstock.client.capacity import measure, sized_for
from penstock.client.load import Measured
from penstock.domain.observation import Capacity


class Served:
    """Answers `most` requests/s after `seconds` each, in parallel; random arrivals need one time and a half."""

    def __init__(self, most: float, seconds: float, status: int = 200, share: float = 0.1) -> None:
        self.most, self.seconds, self.status, self.share = most, seconds, status, share
        self.rates: list[float] = []

    def closed(self, connections: int, seconds: float) -> Measured:
        rate = min(self.most, connections / self.seconds)
        return self._measured(connections, seconds, rate, connections / rate, 0.0)

    def open(self, rate: float, connections: int, seconds: float) -> Measured:
        self.rates.append(rate)
        return self._measured(connections, seconds, rate, self.seconds * 1.5, rate)

    def _measured(self, connections: int, seconds: float, rate: float, time: float, offered: float) -> Measured:
        count = round(rate * seconds)
        times = [time] * count if self.status == 200 else []
        return Measured(connections, seconds, times, {self.status: count}, self.share, offered=offered)


def capacity(served: Served, target: float, instances: int = 1) -> Capacity:
    return measure(served.closed, served.open, 10.0, target, instances)


def test_connections_are_doubled_until_they_give_no_more_and_random_arrivals_confirm() -> None:
    found = capacity(Served(most=1000, seconds=0.004), target=0.1, instances=2)
    assert [step.connections for step in found.steps if not step.offered] == [1, 2, 4, 8, 16]
    assert found.confirmed
    assert found.rate == pytest.approx(900, rel=0.01)
    assert found.per_instance == pytest.approx(450, rel=0.01)
    assert found.max_concurrent_requests_per_instance == 2


def test_what_is_over_the_p99_does_not_count() -> None:
    found = capacity(Served(most=1000, seconds=0.004), target=0.0041)
    assert not found.confirmed  # random arrivals take 6 ms
    assert found.rate == pytest.approx(1000, rel=0.01)
    served = Served(most=1000, seconds=0.004)
    assert capacity(served, target=0.003).rate == 0
    assert served.rates == []


def test_answers_that_are_errors_are_no_capacity() -> None:
    found = capacity(Served(most=1000, seconds=0.004, status=429), target=1.0)
    assert (found.rate, found.steps[0].errors) == (0, found.steps[0].statuses["429"])


def test_a_generator_that_is_the_limit_is_told() -> None:
    assert capacity(Served(most=1000, seconds=0.004, share=0.99), target=0.1).generator_limited
    assert not capacity(Served(most=1000, seconds=0.004), target=0.1).generator_limited


def test_instances_for_a_rate_leave_a_fifth_to_spare() -> None:
    found = capacity(Served(most=1000, seconds=0.004), target=0.1)
    assert sized_for(found, 700).instance_count == 1
    assert sized_for(found, 1500).instance_count == 3
    assert sized_for(found, None).instance_count is None
