import pytest

from penstock.domain.compat import PROPERTY
from penstock.domain.endpoint import OnlineEndpoint
from penstock.domain.shadow import TOLERANCE_PROPERTY

STRICT = {PROPERTY: "strict"}


@pytest.mark.parametrize(
    ("traffic", "mirror"),
    [
        pytest.param({"blue": 100}, {"green": 100}, id="every request"),
        pytest.param({"blue": 100}, {"green": 60, "red": 5, "off": 0}, id="several"),
        pytest.param({"blue": 90, "green": 10}, {"green": 50}, id="one with live traffic"),
        pytest.param({}, {"green": 50}, id="no live traffic at all"),
    ],
)
def test_shadows_get_any_percent_unless_the_endpoint_is_strict(traffic: dict[str, int], mirror: dict[str, int]) -> None:
    endpoint = OnlineEndpoint(traffic=traffic, mirror_traffic=mirror)
    assert endpoint.shadows == {name: percent for name, percent in mirror.items() if percent}
    if len(endpoint.shadows) > 1 or traffic.get("green") or mirror["green"] > 50:
        with pytest.raises(ValueError, match=r"without property penstock\.compat"):
            OnlineEndpoint(traffic=traffic, mirror_traffic=mirror, properties=STRICT)
    else:
        assert OnlineEndpoint(traffic=traffic, mirror_traffic=mirror, properties=STRICT).shadows == mirror


@pytest.mark.parametrize(
    ("traffic", "mirror", "said"),
    [
        pytest.param({"blue": 100}, {"green": 101}, "percents are 0 to 100", id="more than all"),
        pytest.param({"green": 10, "blue": 90}, {"green": -1}, "percents are 0 to 100", id="less than none"),
        pytest.param({"green": -1, "blue": 101}, {"green": 5}, "percents are 0 to 100", id="hidden by a mirror"),
        pytest.param({"blue": 100}, {"blue": 10}, "there are none to mirror", id="the one that answers all"),
        pytest.param({"blue": 90}, {}, "must sum to 0 or 100", id="a part of the traffic"),
    ],
)
def test_percents_that_mean_nothing_are_refused(traffic: dict[str, int], mirror: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        OnlineEndpoint(traffic=traffic, mirror_traffic=mirror)


@pytest.mark.parametrize("value", ["abc", "-1", "2", "nan", ""])
def test_a_tolerance_that_is_none_is_refused_with_the_remedy(value: str) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        OnlineEndpoint(properties={TOLERANCE_PROPERTY: value})
