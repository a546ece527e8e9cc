"""Runs one parser on what a search finds that reaches new lines of it: `fuzz.py PARSER [libFuzzer's flags]`.

An input that makes it raise what it must not, or that takes longer than five seconds, ends the search with an error.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["penstock_worker", "json", "ast"]):
    sys.path.insert(0, str(Path(__file__).parent))
    from parsers import PARSERS, SEEDS


def main() -> None:
    name = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        for at, seed in enumerate(SEEDS[name]):
            Path(folder, f"seed-{at}").write_bytes(seed)
        flags = ["-timeout=5", "-rss_limit_mb=1024", "-max_len=2048", "-print_final_stats=0", *sys.argv[2:]]
        atheris.Setup([sys.argv[0], *flags, folder], PARSERS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
