"""Who decides about an endpoint's traffic: its users, or a rollout while it is unfinished."""

from datetime import datetime

from penstock.control.resources import Resources
from penstock.domain.endpoint import OnlineEndpoint
from penstock.domain.errors import PenstockError, conflict
from penstock.domain.resource import Resource
from penstock.domain.rollout import ROLLOUT, Phase, Rollout, RolloutStatus, unfinished


def owner_of(resources: Resources, endpoint: str) -> Resource[Rollout, RolloutStatus] | None:
    """The rollout that owns the endpoint's traffic now."""
    rollouts = resources.list(ROLLOUT, f"{endpoint}/")
    return next((each for each in rollouts if each.deleting_since is None and unfinished(each.spec, each.status)), None)


def user_of(resources: Resources, deployment: str, now: datetime) -> Resource[Rollout, RolloutStatus] | None:
    """The rollout that needs this deployment (ENDPOINT/DEPLOYMENT) as it is: it moves its traffic, or keeps it warm."""
    endpoint, _, name = deployment.partition("/")
    for each in resources.list(ROLLOUT, f"{endpoint}/"):
        used = name == each.spec.to or name in each.status.old or name == each.spec.from_
        warm = each.status.warm_until is not None and now < each.status.warm_until and name in each.status.old
        if each.deleting_since is None and (warm or (used and unfinished(each.spec, each.status))):
            return each
    return None


def claim(resources: Resources, endpoint: str, *, actor: str, force: bool) -> Resource[Rollout, RolloutStatus] | None:
    """Let a user decide about the traffic: by force, where a rollout owns it, which ends that.

    Returns the rollout that was ended, as it was.
    Raises `conflict` if a rollout owns it, without force.
    """
    owner = owner_of(resources, endpoint)
    if owner is None:
        return None
    if not force:
        raise owned(owner)
    spec = owner.spec.model_copy(update={"ending": "override"})
    event = ("RolloutOverridden", f"{actor} took over the traffic of endpoint {endpoint!r} by force")
    resources.apply(ROLLOUT, owner.name, spec, actor=actor, event=event)
    return owner


def without_shadow(owner: Resource[Rollout, RolloutStatus], spec: OnlineEndpoint) -> OnlineEndpoint:
    """`spec` without the copies that `owner` sends in its shadow stage: they end with it. Pure."""
    to, stage = owner.spec.to, owner.spec.shadow
    if stage is None or owner.status.phase is not Phase.SHADOW or spec.mirror_traffic.get(to) != stage.percent:
        return spec
    mirror = {name: percent for name, percent in spec.mirror_traffic.items() if name != to}
    before = owner.status.mirror_before.get(to)
    return spec.model_copy(update={"mirror_traffic": mirror if before is None else {**mirror, to: before}})


def owned(owner: Resource[Rollout, RolloutStatus]) -> PenstockError:
    """The refusal of a change while `owner` is unfinished."""
    endpoint, _, name = owner.name.partition("/")
    return conflict(
        f"rollout {name!r} ({owner.status.phase}) decides about the traffic of endpoint {endpoint!r}: end it with "
        f"`penstock rollout promote` or `abort -e {endpoint} -n {name}`, or repeat the change with --force, which ends "
        "the rollout",
        {"rollout": name},
    )


def needed(deployment: str, rollout: Resource[Rollout, RolloutStatus]) -> PenstockError:
    """The refusal to delete a deployment that a rollout needs."""
    endpoint, _, name = rollout.name.partition("/")
    if rollout.status.settled:
        return conflict(
            f"deployment {deployment!r} is kept warm until {rollout.status.warm_until:%Y-%m-%d %H:%M:%S} UTC to go "
            f"back from rollout {name!r}: delete it then, or run `penstock rollout delete -e {endpoint} -n {name}`"
        )
    return conflict(
        f"deployment {deployment!r} is used by rollout {name!r} ({rollout.status.phase}): end that first with "
        f"`penstock rollout promote` or `abort -e {endpoint} -n {name}`"
    )
