"""Penstock beside other servers of Python models: same models, same rows, same machine, one run, one set of tables.

Results go to the terminal as they come, as tables at the end, and as JSON to --output.
"""

import argparse
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "examples" / "demo"))  # the demo's way of running commands

from load import Closed, Open  # noqa: E402
from peers import PEERS_BY_NAME  # noqa: E402
from session import Options, session  # noqa: E402


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        session(_options())
    except KeyboardInterrupt:
        return 130
    return 0


def _interrupt(*_: object) -> None:
    """Once: what follows is the end of all that was started, which a second one must not cut short."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    print("\ninterrupted; ending what was started, which takes some seconds", flush=True)
    raise KeyboardInterrupt


def _options() -> Options:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", choices="ABC", default=list("ABC"), help="default: all three")
    known = list(PEERS_BY_NAME)
    parser.add_argument("--peers", nargs="*", choices=known, default=known, metavar="PEER", help=", ".join(known))
    parser.add_argument("--connections", nargs="+", type=int, default=[1, 16, 64], help="default: 1 16 64")
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement (default 3)")
    parser.add_argument("--rounds", type=int, default=2, help="default 2")
    parser.add_argument("--open", action="store_true", help="open loops too, at 1,000 and 10,000 requests per second")
    parser.add_argument("--output", type=Path, help="file for all results, as JSON")
    parser.add_argument("--environments", type=Path, default=ROOT / ".uv" / "bench", help="where the peers' stay")
    given = parser.parse_args()
    return Options(
        models=given.models,
        peers=given.peers,
        closed=[Closed(connections) for connections in given.connections],
        open=[Open(1000), Open(10_000)] if given.open else [],
        seconds=given.seconds,
        rounds=given.rounds,
        output=given.output,
        environments=given.environments,
    )


if __name__ == "__main__":
    sys.exit(main())
