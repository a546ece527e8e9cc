"""How many instances the machine has room for."""

from hypothesis import given
from hypothesis import strategies as st

from penstock.online.room import INSTANCES_PER_CORE, Demand, Machine, room_for

MIB = 2**20


def a_demand(**changes: int) -> Demand:
    values = {"wanted": 6, "present": 1, "loading": 0, "others": 0, "need_bytes": 512 * MIB} | changes
    return Demand(**values)


def a_machine(free: int, *, cores: int = 64, total: int = 10_000 * MIB) -> Machine:
    return Machine(memory_bytes=total, available_bytes=free + round(total * 0.05), cores=cores)


def test_what_does_not_fit_is_told_in_numbers() -> None:
    room = room_for(a_demand(present=4), a_machine(300 * MIB))
    assert (room.instances, room.limit) == (4, "6 wanted, 4 run: an instance needs 512 MiB, 300 MiB are free")


def test_those_that_load_have_not_taken_their_memory_yet() -> None:
    assert room_for(a_demand(present=2, loading=1), a_machine(1600 * MIB)).instances == 4
    assert room_for(a_demand(present=2), a_machine(1600 * MIB)).instances == 5


def test_the_first_is_tried_and_the_next_wait_until_its_need_is_known() -> None:
    room = room_for(a_demand(present=0, need_bytes=0), a_machine(0))
    assert (room.instances, "known when the first one has loaded" in room.limit) == (1, True)
    assert room_for(a_demand(wanted=1, present=0), a_machine(0)).instances == 1


def test_cores_bound_what_all_deployments_run_together() -> None:
    room = room_for(a_demand(others=5), a_machine(100_000 * MIB, cores=2))
    assert room.instances == 2 * INSTANCES_PER_CORE - 5
    assert "2 cores" in room.limit
    assert "5 run for other deployments" in room.limit


@given(
    wanted=st.integers(0, 1000),
    present=st.integers(0, 50),
    loading=st.integers(0, 50),
    others=st.integers(0, 100),
    need=st.integers(0, 2**34),
    free=st.integers(0, 2**38),
    cores=st.integers(1, 128),
)
def test_no_more_than_wanted_none_that_is_there_ends_and_a_limit_is_told_exactly_where_it_binds(
    *, wanted: int, present: int, loading: int, others: int, need: int, free: int, cores: int
) -> None:
    demand = Demand(wanted=wanted, present=present, loading=min(loading, present), others=others, need_bytes=need)
    machine = Machine(memory_bytes=2**38, available_bytes=free, cores=cores)
    room = room_for(demand, machine)
    assert min(wanted, max(1, present)) <= room.instances <= wanted
    assert bool(room.limit) == (room.instances < wanted)
    started = room.instances - max(1, present)
    if started > 0:
        assert (room.instances - present + demand.loading) * need <= machine.free_bytes
        assert room.instances + others <= cores * INSTANCES_PER_CORE
