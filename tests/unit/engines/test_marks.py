"""Which of the marked processes is the instance, and which are asked to end first."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from penstock.engines.marks import Marked, families, topmost


def a_process(pid: int, *, created: float = 0.0, parent: int = 1, session: int | None = None) -> Marked:
    return Marked(pid=pid, created=created, parent=parent, session=pid if session is None else session, name="a")


PROCESSES = st.lists(
    st.builds(
        Marked,
        pid=st.integers(1, 20),
        created=st.floats(0, 3),
        parent=st.integers(0, 20),
        session=st.integers(1, 20),
        name=st.sampled_from(["a", "b", None]),
    ),
    unique_by=lambda process: process.pid,
)


def test_the_oldest_session_leader_is_the_instance() -> None:
    instance, child, detached = a_process(9), a_process(5, created=1, session=9), a_process(2, created=1, parent=9)
    family = families([detached, child, instance])["a"]
    assert family.leader == instance
    assert set(family.others) == {child, detached}


def test_processes_without_a_session_leader_are_what_a_dead_instance_left() -> None:
    assert families([a_process(5, session=9)])["a"].leader is None


def test_processes_of_no_instance_are_in_no_family() -> None:
    assert not families([replace(a_process(5), name=None)])


def test_only_processes_without_a_marked_parent_are_asked_first() -> None:
    parent, child, other = a_process(5), a_process(6, parent=5), a_process(7)
    assert topmost([child, parent, other]) == [parent, other]


@given(PROCESSES)
def test_every_process_of_an_instance_is_in_its_family_exactly_once(processes: list[Marked]) -> None:
    for name, family in families(processes).items():
        members = [*family.others, *([family.leader] if family.leader else [])]
        assert sorted(m.pid for m in members) == sorted(p.pid for p in processes if p.name == name)
        assert family.leader is None or family.leader.leads_session
