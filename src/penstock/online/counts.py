"""How many instances a deployment runs: its author's instance_count, or the autoscaler's number within the machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from penstock.control.resources import Resources
from penstock.domain.autoscale import AUTOSCALE
from penstock.domain.deployment import OnlineDeployment, OnlineDeploymentStatus
from penstock.domain.instance import Instance, Phase
from penstock.domain.quantities import memory_bytes
from penstock.domain.resource import Resource
from penstock.domain.scale import SCALE
from penstock.online.fleet import Fleet
from penstock.online.room import Demand, Machine, room_for

Deployment = Resource[OnlineDeployment, OnlineDeploymentStatus]


@dataclass(frozen=True, kw_only=True)
class Count:
    """`run` are to run of the `wanted`; `limit` says why not all. `need_bytes`: the memory that one needs, as measured.

    `scaled`: the autoscaler wants them, not the author.
    """

    wanted: int
    run: int
    scaled: bool = False
    limit: str = ""
    need_bytes: int | None = None


class Counts:
    def __init__(self, resources: Resources, fleet: Fleet, machine: Callable[[], Machine]) -> None:
        self._resources = resources
        self._fleet = fleet
        self._machine = machine

    def of(self, deployment: Deployment, spec: OnlineDeployment, instances: Sequence[Instance]) -> Count:
        """How many `instances` there should be of a deployment that is to run as `spec`.

        What an author asks for is started whatever the machine has; he sees what comes of it. The autoscaler's number
        has to fit.
        """
        need = self._need(instances) or deployment.status.instance_memory_bytes
        scale = self._resources.find(SCALE, deployment.name)
        if scale is None:
            return Count(wanted=spec.instance_count, run=spec.instance_count, need_bytes=need)
        wanted, present = scale.spec.instances, [i for i in instances if _present(i)]
        if wanted <= max(1, len(present)):
            return Count(wanted=wanted, run=wanted, scaled=True, need_bytes=need)
        limit = spec.resources.limits.memory
        demand = Demand(
            wanted=wanted,
            present=len(present),
            loading=sum(i.phase is Phase.STARTING for i in present),
            others=sum(map(_present, self._fleet.instances())) - len(present),
            need_bytes=need or (memory_bytes(limit) if limit else 0),
        )
        room = room_for(demand, self._machine())
        return Count(wanted=wanted, run=room.instances, scaled=True, limit=room.limit, need_bytes=need)

    def forget(self, name: str) -> None:
        """Remove what scales a deployment that is gone."""
        autoscale, scale = self._resources.find(AUTOSCALE, name), self._resources.find(SCALE, name)
        if autoscale is not None:
            self._resources.remove(AUTOSCALE, autoscale)
        if scale is not None:
            self._resources.remove(SCALE, scale)

    def _need(self, instances: Sequence[Instance]) -> int:
        """The most that one of them took while it loaded and answered its sample; 0 if none has said."""
        reports = [self._fleet.report(i) for i in instances if i.phase is not Phase.EXITED]
        return max((max(r.memory_bytes, r.peak_memory_bytes) for r in reports if r is not None), default=0)


def _present(instance: Instance) -> bool:
    return instance.phase is not Phase.EXITED and instance.draining_since is None
