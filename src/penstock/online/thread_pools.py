"""More threads than cores: numeric libraries start a pool per process as large as the machine. Pure."""

from collections.abc import Iterable, Mapping

from penstock.domain.observation import Facts, Finding, Look, Severity

_DIGITS = 6


def thread_findings(look: Look) -> Iterable[Finding]:
    """By what the instances say of their pools, else by their variables, else by their threads."""
    facts = next((i.facts for i in look.instances if i.facts is not None), None)
    if facts is None:
        return
    cores = min(facts.cores, look.host_cores)
    share = max(1, cores // max(1, look.host_instances))
    threads, source = _threads(facts)
    if threads <= share:
        return
    running = f"{look.host_instances} instance{'s run' if look.host_instances != 1 else ' runs'}"
    yield Finding(
        severity=Severity.SERIOUS if threads * look.host_instances > 2 * cores else Severity.ADVICE,
        what=f"an instance computes with {threads} threads ({source}), where {running} on {cores} cores",
        where="environment_variables of the deployment",
        advice=f'set OMP_NUM_THREADS: "{share}" and OPENBLAS_NUM_THREADS: "{share}"; more instances answer more '
        "requests than more threads do",
    )


def _threads(facts: Facts) -> tuple[int, str]:
    pools = [pool for pool in facts.pools if pool.threads > 0]
    if pools:
        largest = max(pools, key=lambda pool: pool.threads)
        return largest.threads, largest.library or "a numeric library"
    set_to = _largest(facts.thread_variables)
    if set_to is not None:
        return set_to
    return (facts.threads, "threads of the process") if facts.threads > facts.cores else (0, "")


def _largest(variables: Mapping[str, str]) -> tuple[int, str] | None:
    numbers = [
        (int(value), f"{name}={value}")
        for name, value in variables.items()
        if value.isdecimal() and len(value) < _DIGITS
    ]
    return max(numbers, default=None)
