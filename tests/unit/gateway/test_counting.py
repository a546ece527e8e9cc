"""What HAProxy has counted, as it says it, and over the end of its processes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.gateway.base import Counts, ServerLoad, Tally
from penstock.gateway.counting import parse_tally
from penstock.gateway.ledger import Ledger

INFO = "Name: HAProxy\nPid: 7\nStart_time_sec: 100\ndescription: gateway=ab\n\n"
HEAD = (
    "# pxname,svname,qcur,scur,status,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,srv_abrt,\n"
    "fraud.blue,no-instance,0,0,no check,0,0,0,0,9,0,0,\n"
)


def test_counts_are_of_all_answers_and_instances_as_they_are_now() -> None:
    stat = (
        f"{HEAD}fraud.blue,a,1,2,UP,0,5,0,0,0,0,1,\nfraud.blue,b,,,DRAIN,,,,,,,,\nfraud.blue,c,0,1,DOWN 1/2,,,,,,,,\n"
        "fraud.blue,BACKEND,3,4,UP,1,10,2,3,4,5,1,\nrefusals,BACKEND,0,0,UP,0,7,0,7,0,0,0,\n\n"
    )
    tally = parse_tally(f"failed fraud.blue 3\nrefused fraud.blue 2\n\n{INFO}{stat}", finishing=True)
    assert tally == Tally(
        process="7@100",
        finishing=True,
        deployments={
            "fraud/blue": Counts(
                answered=25,
                refused=2,
                failed=4,
                waiting=3,
                servers={
                    "a": ServerLoad(active=2, waiting=1, up=True),
                    "b": ServerLoad(active=0, waiting=0, up=False),
                    "c": ServerLoad(active=1, waiting=0, up=False),
                },
            )
        },
    )


@pytest.mark.parametrize("text", ["", "Permission denied\n", f"Unknown command: 'show failures', but\n\n{INFO}"])
def test_what_is_no_count_is_not_taken_for_zeros(text: str) -> None:
    with pytest.raises(ValueError, match="no counts"):
        parse_tally(text, finishing=False)


def a_tally(process: str, answered: int, *, active: int = 0, waiting: int = 0, finishing: bool = False) -> Tally:
    servers = {"a": ServerLoad(active=active, waiting=0, up=True)}
    counts = Counts(answered=answered, refused=0, failed=0, waiting=waiting, servers=servers)
    return Tally(process=process, finishing=finishing, deployments={"e/d": counts})


def answered(tallies: object) -> int:
    return sum(tally.deployments["e/d"].answered for tally in tallies)  # type: ignore[attr-defined]


def test_what_a_process_still_had_when_it_was_read_last_was_answered_before_it_ended() -> None:
    ledger = Ledger()
    ledger.whole([a_tally("1", 10, active=2)])
    ledger.note(a_tally("1", 17, active=3, waiting=1))
    whole = ledger.whole([a_tally("2", 5)])
    assert [(t.process, t.finishing) for t in whole] == [("2", False), ("1", True)]
    assert answered(whole) == 5 + 17 + 3 + 1
    assert whole[1].deployments["e/d"].servers == {}


def test_what_a_process_had_that_was_killed_was_answered_by_nobody() -> None:
    ledger = Ledger()
    ledger.whole([a_tally("1", 10, active=2)])
    assert answered(ledger.whole([a_tally("2", 0)])) == 10


def test_an_ended_process_is_told_of_for_a_while() -> None:
    ledger = Ledger()
    ledger.whole([a_tally("1", 10)])
    told = [answered(ledger.whole([a_tally("2", 1)])) for _ in range(100)]
    assert told == sorted(told, reverse=True)
    assert (told[0], told[-1]) == (11, 1)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans()), max_size=40))
def test_no_answer_is_lost_or_counted_twice_whenever_the_gateway_is_reloaded_and_read(
    history: list[tuple[int, bool, bool]],
) -> None:
    """Each moment some requests are answered; then perhaps a reload, and perhaps somebody reads."""
    ledger, current, counts, seen, grown = Ledger(), 0, {0: 0}, dict[str, int](), 0
    for answers, reload, read in history:
        counts[current] += answers
        if reload:
            ledger.note(a_tally(str(current), counts[current]))
            current += 1
            counts = {current: 0}
        if read:
            for tally in ledger.whole([a_tally(str(current), counts[current])]):
                now = tally.deployments["e/d"].answered
                grown += max(0, now - seen.get(tally.process, 0))
                seen[tally.process] = now
    for tally in ledger.whole([a_tally(str(current), counts[current])]):
        grown += max(0, tally.deployments["e/d"].answered - seen.get(tally.process, 0))
    assert grown == sum(answers for answers, _, _ in history)


def test_a_finishing_process_that_answers_again_is_taken_at_its_word() -> None:
    ledger = Ledger()
    ledger.note(a_tally("1", 10, active=5))
    running = replace(a_tally("1", 12, active=3), finishing=True)
    assert answered(ledger.whole([a_tally("2", 0), running])) == 12
    assert answered(ledger.whole([a_tally("2", 0)])) == 15
