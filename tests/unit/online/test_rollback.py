"""Which traffic a rollback goes back to."""

from support.online import NOW

from penstock.domain.endpoint import OnlineEndpoint
from penstock.domain.resource import Revision
from penstock.online.rollback import already_rolled_back, previous_traffic


def history(*newest_first: tuple[dict[str, int], str], tags: dict[str, str] | None = None) -> list[Revision]:
    count = len(newest_first)
    return [
        Revision(
            uid="u",
            generation=count - n,
            spec=OnlineEndpoint(traffic=traffic, tags=tags or {}),
            action=action,
            actor="a",
            at=NOW,
        )
        for n, (traffic, action) in enumerate(newest_first)
    ]


BLUE, SPLIT, GREEN, NONE = {"blue": 100}, {"blue": 90, "green": 10}, {"green": 100}, {}


def test_goes_back_to_the_traffic_before_the_last_change() -> None:
    past = history((GREEN, "update"), (SPLIT, "update"), (BLUE, "update"))
    assert previous_traffic(past).spec.traffic == SPLIT


def test_passes_over_edits_that_did_not_touch_the_traffic() -> None:
    past = history((GREEN, "update"), (GREEN, "update"), (BLUE, "update"))
    assert previous_traffic(past).spec.traffic == BLUE


def test_a_share_of_zero_is_no_share() -> None:
    past = history(({"blue": 100, "green": 0}, "update"), (BLUE, "update"), (GREEN, "update"))
    assert previous_traffic(past).spec.traffic == GREEN


def test_never_goes_back_to_no_traffic_at_all() -> None:
    assert previous_traffic(history((BLUE, "update"), (NONE, "create"))) is None


def test_a_second_rollback_does_not_bring_the_bad_version_back() -> None:
    past = history((BLUE, "rollback"), (GREEN, "update"), (BLUE, "update"))
    assert already_rolled_back(past)


def test_after_a_new_change_a_rollback_is_possible_again() -> None:
    past = history((GREEN, "update"), (BLUE, "rollback"), (GREEN, "update"), (BLUE, "update"))
    assert not already_rolled_back(past)
    assert previous_traffic(past).spec.traffic == BLUE


def test_an_edit_of_tags_after_a_rollback_does_not_undo_it() -> None:
    past = history((BLUE, "update"), (BLUE, "rollback"), (GREEN, "update"))
    assert already_rolled_back(past)
