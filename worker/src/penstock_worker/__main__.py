"""`python -m penstock_worker`: serve one script or model, as the contract's variables say, until SIGTERM."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Returns the exit code."""
    _leave_import_path()
    from penstock_worker.start import start
    from penstock_worker.variables import read_variables

    return start(read_variables(os.environ))


def _leave_import_path() -> None:
    # `python -m` puts the working folder first, where a user's `types.py` or `json.py` would replace Python's own.
    if not getattr(sys.flags, "safe_path", False) and sys.path and sys.path[0] in ("", os.getcwd()):
        del sys.path[0]


if __name__ == "__main__":
    sys.exit(main())
