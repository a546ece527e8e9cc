"""Which traffic to go back to. Pure."""

from collections.abc import Sequence

from penstock.domain.endpoint import OnlineEndpoint
from penstock.domain.resource import Revision

ROLLBACK = "rollback"


def previous_traffic(history: Sequence[Revision[OnlineEndpoint]]) -> Revision[OnlineEndpoint] | None:
    """The newest earlier revision whose traffic or mirror differs from the present one's; None if there is none.

    `history` is newest first. Revisions with the traffic's sum at 0 are passed over: going back to no answer at all
    helps nobody.
    """
    if not history:
        return None
    present = history[0].spec
    for revision in history[1:]:
        if sum(revision.spec.traffic.values()) and _shares(revision.spec) != _shares(present):
            return revision
    return None


def already_rolled_back(history: Sequence[Revision[OnlineEndpoint]]) -> bool:
    """True if the last change of traffic was a rollback: a second one must not bring the bad version back."""
    if not history or not history[0].action:
        return False
    present = history[0].spec
    last_change = None
    for revision in history:
        if _shares(revision.spec) != _shares(present):
            break
        last_change = revision
    return last_change is not None and last_change.action == ROLLBACK


def _shares(spec: OnlineEndpoint) -> tuple[dict[str, int], dict[str, int]]:
    return _positive(spec.traffic), _positive(spec.mirror_traffic)


def _positive(shares: dict[str, int]) -> dict[str, int]:
    return {name: percent for name, percent in shares.items() if percent}
