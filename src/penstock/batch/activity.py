"""Which jobs are not over."""

from collections.abc import Callable, Sequence

from penstock.control.resources import Resources
from penstock.domain.errors import conflict
from penstock.domain.job import JOB, Job, ended

_MOST_NAMED = 5


def unfinished(resources: Resources, concerns: Callable[[Job], bool]) -> Sequence[str]:
    """Names of the jobs that are not over, of those that `concerns` is true for."""
    return [j.name for j in resources.list(JOB) if concerns(j.spec) and not ended(j.spec, j.status)]


def check_idle(resources: Resources, what: str, concerns: Callable[[Job], bool]) -> None:
    """Raises `conflict` that names the jobs which keep `what` from being deleted."""
    jobs = unfinished(resources, concerns)
    if jobs:
        more = f" and {len(jobs) - _MOST_NAMED} more" if len(jobs) > _MOST_NAMED else ""
        raise conflict(
            f"{what} is used by jobs that are not over ({', '.join(jobs[:_MOST_NAMED])}{more}): wait for them, or "
            f"`penstock job cancel -n {jobs[0]}`"
        )
