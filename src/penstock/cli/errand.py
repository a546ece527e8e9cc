"""How a command that had something done ends: its result, and on stderr what has failed."""

from typing import TYPE_CHECKING

from penstock.cli.command import Outcome
from penstock.cli.errors import report
from penstock.domain.errors import failed

if TYPE_CHECKING:
    from penstock.domain.errand import Errand


def told(ended: "Errand", detail: str = "log") -> Outcome:
    """The errand as a result; exit code 1 if something failed. `detail` is what its `failure` is called."""
    faults = ended.faults()
    if faults:
        details = {}
        if ended.failure:
            details = {"traceback" if "Traceback" in ended.failure else detail: ended.failure}
        report(failed(f"{faults[0].name}: {faults[0].reason}: {faults[0].message}", details))
    return Outcome(ended.model_dump(mode="json"), exit_code=1 if faults else 0)
