"""`python -m penstock_worker`: serve one script or model, as the contract's variables say, until SIGTERM."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Returns the exit code."""
    _leave_import_path()
    from penstock_worker.failure import LoadError
    from penstock_worker.progress import refuse
    from penstock_worker.settings import with_file
    from penstock_worker.start import start
    from penstock_worker.variables import read_variables

    try:
        environ, oddity = with_file(os.environ)
        variables = read_variables(environ)
    except LoadError as failure:
        refuse(os.environ, failure)
    return start(variables, oddity)


def _leave_import_path() -> None:
    # `python -m` puts the working folder first, where a user's `types.py` or `json.py` would replace Python's own.
    if not getattr(sys.flags, "safe_path", False) and sys.path and sys.path[0] in ("", os.getcwd()):
        del sys.path[0]


if __name__ == "__main__":
    sys.exit(main())
