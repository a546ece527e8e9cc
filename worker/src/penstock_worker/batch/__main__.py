"""`python -m penstock_worker.batch`: do tasks of a batch job, as the contracts' variables say, while there are any."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Returns the exit code."""
    _leave_import_path()
    from penstock_worker.batch.process import work
    from penstock_worker.batch.variables import read_variables

    return work(read_variables(os.environ), sys.argv[1:])


def _leave_import_path() -> None:
    # `python -m` puts the working folder first, where a user's `types.py` or `json.py` would replace Python's own.
    if not getattr(sys.flags, "safe_path", False) and sys.path and sys.path[0] in ("", os.getcwd()):
        del sys.path[0]


if __name__ == "__main__":
    sys.exit(main())
