"""How many instances the machine has room for. Pure."""

from dataclasses import dataclass

# A process runs one thread of Python, so that more of them than cores gain nothing where run() computes. They do where
# it waits: for a database, another service, a GPU.
INSTANCES_PER_CORE = 4
_RESERVE_SHARE = 0.05  # of the memory is left to the system, the gateway and the control plane
_MOST_RESERVE = 2 * 2**30


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What the machine has: memory in all and what could be had without swapping, and cores."""

    memory_bytes: int
    available_bytes: int
    cores: int

    @property
    def free_bytes(self) -> int:
        """What instances may still take."""
        return max(0, self.available_bytes - min(_MOST_RESERVE, round(self.memory_bytes * _RESERVE_SHARE)))


@dataclass(frozen=True, kw_only=True)
class Demand:
    """How many instances a deployment should have. It has `present`, of which `loading` have not taken all their memory
    yet; `others` run for other deployments. Each needs `need_bytes`; 0: not known before one has loaded."""

    wanted: int
    present: int
    loading: int
    others: int
    need_bytes: int


@dataclass(frozen=True, kw_only=True)
class Room:
    """So many instances may run; `limit` says in a sentence why not more, and is empty where that is all."""

    instances: int
    limit: str = ""


def room_for(demand: Demand, machine: Machine) -> Room:
    """What may run of what is wanted. None that is there has to end, and the first one is always tried."""
    least = max(1, demand.present)
    if demand.wanted <= least:
        return Room(instances=demand.wanted)
    by_cores = max(least, machine.cores * INSTANCES_PER_CORE - demand.others)
    by_memory = least if not demand.need_bytes else max(least, demand.present + _more(demand, machine))
    instances = min(demand.wanted, by_cores, by_memory)
    if instances == demand.wanted:
        return Room(instances=instances)
    why = _memory(demand, machine) if by_memory <= by_cores else _cores(demand, machine)
    return Room(instances=instances, limit=f"{demand.wanted} wanted, {instances} run: {why}")


def _more(demand: Demand, machine: Machine) -> int:
    return (machine.free_bytes - demand.loading * demand.need_bytes) // demand.need_bytes


def _memory(demand: Demand, machine: Machine) -> str:
    if not demand.need_bytes:
        return "how much memory an instance needs is known when the first one has loaded"
    loading = f", of which {demand.loading} take their part now" if demand.loading else ""
    need, free = _mebibytes(demand.need_bytes), _mebibytes(machine.free_bytes)
    return f"an instance needs {need}, {free} are free{loading}"


def _cores(demand: Demand, machine: Machine) -> str:
    others = f", and {demand.others} run for other deployments" if demand.others else ""
    return f"the machine has {machine.cores} cores, with room for {INSTANCES_PER_CORE} instances each{others}"


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"
