"""Times of the week by the clock of a place, also on the days when clocks are changed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.domain.schedule import DAYS, FixedDate, Recurrence
from penstock.domain.time_zones import WINDOWS, time_zone

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def week(days: str, start: str, end: str | None = None, timezone: str = "Europe/Berlin") -> Recurrence:
    return Recurrence.model_validate({"days": days, "start": start, "end": end, "timezone": timezone})


@pytest.mark.parametrize(
    ("recurrence", "now", "began"),
    [
        pytest.param(week("weekdays", "08:00", "18:00"), "2026-11-23T08:00", "2026-11-23T08:00", id="from its start"),
        pytest.param(week("weekdays", "08:00", "18:00"), "2026-11-23T18:00", None, id="not at its end"),
        pytest.param(week("weekdays", "08:00", "18:00"), "2026-11-22T12:00", None, id="not on other days"),
        pytest.param(week("fri", "22:00", "06:00"), "2026-11-28T05:59", "2026-11-27T22:00", id="over midnight"),
        pytest.param(week("fri", "22:00", "06:00"), "2026-11-28T06:00", None, id="over midnight to its end"),
        pytest.param(week("sat sun", "00:00", "24:00"), "2026-11-29T23:59", "2026-11-29T00:00", id="whole days"),
        pytest.param(week("mon", "08:00"), "2026-11-29T12:00", "2026-11-23T08:00", id="without an end it goes on"),
        pytest.param(week("daily", "02:30", "04:00"), "2026-03-29T03:29", None, id="spring: 02:30 is 03:30"),
        pytest.param(
            week("daily", "02:30", "04:00"), "2026-03-29T03:30", "2026-03-29T03:30", id="spring: then it begins"
        ),
        pytest.param(
            week("daily", "08:00", "18:00"), "2026-03-29T08:00", "2026-03-29T08:00", id="spring: by the clock"
        ),
        pytest.param(
            week("daily", "08:00", "18:00"), "2026-10-25T17:59", "2026-10-25T08:00", id="autumn: by the clock"
        ),
    ],
)
def test_a_recurrence_is_in_force_by_the_clock(recurrence: Recurrence, now: str, began: str | None) -> None:
    assert recurrence.began(at(now)) == (at(began) if began else None)


def test_the_hour_that_comes_twice_in_autumn_counts_once() -> None:
    night = week("sun", "02:15", "02:45")
    first = datetime(2026, 10, 25, 0, 20, tzinfo=UTC)  # 02:20 summer time
    assert night.began(first) is not None
    assert night.began(first + timedelta(hours=1)) is None  # 02:20 again


@given(
    st.sets(st.sampled_from(DAYS), min_size=1),
    st.integers(0, 1439),
    st.integers(0, 1439),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Pacific Standard Time", "Asia/Kolkata"]),
)
def test_what_is_in_force_began_on_one_of_its_days_and_not_a_day_and_an_hour_ago(
    days: set[str], start: int, end: int, now: datetime, zone: str
) -> None:
    recurrence = Recurrence.model_validate({"days": sorted(days), "start": start, "end": end, "timezone": zone})
    moment = now.replace(tzinfo=UTC)
    began = recurrence.began(moment)
    if began is not None:
        local = began.astimezone(time_zone(zone))
        assert timedelta(0) <= moment - began <= timedelta(hours=25)
        assert DAYS[local.weekday()] in recurrence.days
        # A time that the clock skips in spring is an hour later.
        assert (local.hour * 60 + local.minute - start) % 1440 in (0, 60)


def test_a_fixed_date_is_by_the_clock_of_its_place_as_azure_means_its_z() -> None:
    fixed = FixedDate.model_validate(
        {"start": "2026-12-24T00:00:00Z", "end": "2026-12-25T00:00:00Z", "timezone": "W. Europe Standard Time"}
    )
    assert fixed.began(datetime(2026, 12, 23, 22, 59, tzinfo=UTC)) is None
    assert fixed.began(datetime(2026, 12, 23, 23, 0, tzinfo=UTC)) is not None
    assert fixed.began(datetime(2026, 12, 24, 23, 0, tzinfo=UTC)) is None


@pytest.mark.parametrize("name", [*WINDOWS, "UTC", "Europe/Berlin"])
def test_zones_of_windows_and_of_iana_are_known(name: str) -> None:
    assert time_zone(name).key


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"timezone": "Europe/Berlim"}, "did you mean 'Europe/Berlin'"),
        ({"timezone": "../../etc/passwd"}, "is not known"),
        ({"days": "moonday"}, "day 'moonday' is not known"),
        ({"days": []}, "give at least one day"),
        ({"start": "8"}, "write HH:MM"),
        ({"start": "25:00"}, "write HH:MM"),
    ],
)
def test_what_is_no_time_is_refused(fields: dict[str, object], part: str) -> None:
    with pytest.raises(ValueError, match=r"is|give") as refused:
        Recurrence.model_validate(fields)
    assert part in str(refused.value)


def test_yaml_that_makes_numbers_of_times_is_understood() -> None:
    assert Recurrence.model_validate({"start": 18 * 60 + 30}).start == "18:30"
