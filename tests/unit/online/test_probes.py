"""When a probe's outcome changes, by Azure's thresholds."""

from penstock.domain.deployment import Probe
from penstock.online.probes import ProbeState

SETTINGS = Probe(failure_threshold=3, success_threshold=2)


def outcomes(*answers: bool) -> list[bool]:
    """Whether the probe passes after each answer."""
    state, found = ProbeState(), []
    for answer in answers:
        state = state.after(succeeded=answer, settings=SETTINGS)
        found.append(state.passing)
    return found


def test_a_probe_fails_after_as_many_failures_in_a_row_as_the_settings_say() -> None:
    assert outcomes(False, False, False) == [True, True, False]


def test_one_good_answer_starts_the_count_anew() -> None:
    assert outcomes(False, False, True, False, False) == [True] * 5


def test_a_failed_probe_passes_again_after_as_many_good_answers() -> None:
    assert outcomes(False, False, False, True, True) == [True, True, False, False, True]
