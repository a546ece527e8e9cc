"""What brings a new deployment into traffic or back out of it, and what it judges that by."""

from collections.abc import Mapping
from dataclasses import dataclass

from penstock.control.controller import Reconciler
from penstock.domain.rollout import ROLLOUT
from penstock.online.exposition import parse
from penstock.online.golden import Golden
from penstock.online.golden_recorder import GoldenRecorder
from penstock.online.rollbacks import Rollbacks
from penstock.online.rollout_looks import Looks
from penstock.online.rollout_reconciler import RolloutReconciler
from penstock.online.rollout_stages import Stages
from penstock.online.rollouts import Rollouts
from penstock.online.shadow import Shadows
from penstock.parts.ground import Ground
from penstock.parts.online import Online


@dataclass(frozen=True, kw_only=True)
class RolloutParts:
    rollouts: Rollouts
    rollbacks: Rollbacks
    golden: Golden
    golden_recorder: GoldenRecorder
    shadows: Shadows
    looks: Looks
    stages: Stages
    reconcilers: Mapping[str, Reconciler]


def rollout_parts(ground: Ground, online: Online) -> RolloutParts:
    resources, clock, gateway = ground.resources, ground.clock, ground.outside.gateway
    meter, tapes = online.meter, online.tapes
    golden = Golden(resources, online.keyring, gateway, ground.settings.host)
    shadows = Shadows(resources, meter, tapes, gateway, clock, acting=ground.leading)
    stages = Stages(golden, shadows)
    looks = Looks(meter, tapes, lambda: parse(online.inspector.metrics().decode(errors="replace")))
    return RolloutParts(
        rollouts=Rollouts(resources),
        rollbacks=Rollbacks(resources, online.endpoints, online.deployments, online.routing),
        golden=golden,
        golden_recorder=GoldenRecorder(resources, tapes, clock),
        shadows=shadows,
        looks=looks,
        stages=stages,
        reconcilers={ROLLOUT.name: RolloutReconciler(resources, online.routing, looks, stages, clock)},
    )
