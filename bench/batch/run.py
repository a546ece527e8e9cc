"""Batch scoring by Penstock beside its limit and others: same models, same data, same machine, one run, one table.

Results go to the terminal as they come, as tables at the end, and as JSON to --output.
"""

import argparse
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Environments, processes and load of the online benchmark; the demo's way of running commands.
sys.path += [str(ROOT / "bench" / "online"), str(ROOT / "examples" / "demo")]

from cases import CASES  # noqa: E402
from session import Options, session  # noqa: E402
from sides import PEERS_BY_NAME  # noqa: E402

QUICK_ROWS = 500_000


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
    cases, peers = list(CASES), list(PEERS_BY_NAME)
    parser.add_argument("--cases", nargs="+", choices=cases, default=cases, metavar="CASE", help=", ".join(cases))
    parser.add_argument("--peers", nargs="*", choices=peers, default=peers, metavar="PEER", help=", ".join(peers))
    parser.add_argument("--rows", type=int, default=5_000_000, help="of the data (default 5,000,000)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS:,} rows")
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    parser.add_argument("--peer-rounds", type=int, help="in how many of them the peers take part (default: in all)")
    parser.add_argument("--long", action="store_true", help="afterwards ten times the rows in one file (10 GB)")
    parser.add_argument("--no-penstock", action="store_true", help="the limit and the peers alone")
    parser.add_argument("--output", type=Path, help="file for all results, as JSON")
    parser.add_argument("--environments", type=Path, default=ROOT / ".uv" / "bench", help="where the sides' stay")
    parser.add_argument("--builds", type=Path, default=ROOT / "build" / "bench", help="where data and models stay")
    given = parser.parse_args()
    return Options(
        rows=QUICK_ROWS if given.quick else given.rows,
        cases=given.cases,
        peers=given.peers,
        rounds=given.rounds,
        peer_rounds=given.rounds if given.peer_rounds is None else given.peer_rounds,
        penstock=not given.no_penstock,
        long=given.long,
        output=given.output,
        environments=given.environments,
        builds=given.builds,
    )


if __name__ == "__main__":
    sys.exit(main())
