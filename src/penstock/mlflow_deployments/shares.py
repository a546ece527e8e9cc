"""Who gives way when a deployment is given a share of an endpoint's traffic. Pure."""

from collections.abc import Mapping

from penstock.domain.errors import invalid


def with_share(traffic: Mapping[str, int], name: str, percent: int) -> dict[str, int]:
    """`traffic` in which `name` has `percent`, and the others share the rest as they shared before.

    Raises `invalid` if nobody is there to take the rest.
    """
    others = {other: share for other, share in traffic.items() if other != name and share > 0}
    rest, total = 100 - percent, sum(others.values())
    if not others and 0 < percent < 100:
        raise invalid(
            f"deployment {name!r} cannot be given {percent} % of the traffic: no other deployment of the endpoint has "
            f"traffic and could take the other {rest} %; give it 100 or 0"
        )
    if not others:
        return {name: percent} if percent else {}
    shares = {other: rest * share // total for other, share in others.items()}
    # What rounding has left over goes to those who lost most by it.
    lost = sorted(others, key=lambda other: (-(rest * others[other] % total), other))
    for other in lost[: rest - sum(shares.values())]:
        shares[other] += 1
    return {**shares, name: percent}
