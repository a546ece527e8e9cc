"""An environment for a scikit-learn model: Penstock's beside those made by hand with uv and with pip, in one run.

All sides have a warm package cache of their own, and take turns, because the speed of a machine drifts.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from uv import find_uv_bin

from penstock.domain.environment import Requirements
from penstock.environments.collection import own_bytes
from penstock.environments.seal import remove
from penstock.environments.uv import UvEnvironments

PACKAGES = ("scikit-learn>=1.5,<2", "joblib>=1.3", "pandas>=2")
IMPORTS = "import sklearn.ensemble, pandas"
NEW, AGAIN, CACHED, LATER = "new", "again, from its lock", "cached, first look", "cached, later looks"
UV, UV_COMPILED, PIP = "uv venv, uv pip install", "the same, compiled", "python -m venv, pip install"


@dataclass
class Results:
    """Of one way: seconds to make the environment, seconds of the first import in it, bytes that are its own."""

    made: list[float] = field(default_factory=list[float])
    imported: list[float] = field(default_factory=list[float])
    own_bytes: int = 0


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("PENSTOCK_", "PYTHON"))}
        caches = {"UV_CACHE_DIR": str(folder / "uv"), "PIP_CACHE_DIR": str(folder / "pip")}
        self.environ: Mapping[str, str] = {**variables, **caches}
        self.results: dict[str, Results] = {}

    def round(self, *, counted: bool) -> None:
        """Make the environment in all ways, once; what is not `counted` warms the caches."""
        kept = self.results
        if not counted:
            self.results = {}
        self._penstock()
        self._by_hand(UV, self._uv)
        self._by_hand(UV_COMPILED, lambda folder: self._uv(folder, "--compile-bytecode"))
        self._by_hand(PIP, self._pip)
        if not counted:
            self.results = kept

    def table(self) -> str:
        new = statistics.median(self.results[NEW].made)
        lines = [f"{'':30} {'made in s':>10} {'/ new':>7} {'first import s':>15} {'own MB':>7}"]
        for name, result in self.results.items():
            made = statistics.median(result.made)
            imported = f"{statistics.median(result.imported):15.2f}" if result.imported else " " * 15
            own = f"{result.own_bytes / 1e6:7.0f}" if result.own_bytes else ""
            lines.append(f"{name:30} {made:10.4f} {made / new:7.2f} {imported} {own}".rstrip())
        return "\n".join(lines)

    def _penstock(self) -> None:
        environments = self._environments()
        build = environments.plan(Requirements(packages=PACKAGES))
        folder = self.folder / "penstock" / build.fingerprint
        self._timed(NEW, lambda: environments.ensure(build))
        self._look_at(NEW, folder)
        remove(folder, folder / ".complete")
        self._timed(AGAIN, lambda: environments.ensure(build))
        later = self._environments()
        self._timed(CACHED, lambda: later.ensure(build))
        self._timed(LATER, lambda: later.built(build.fingerprint))
        remove(folder, folder / ".complete")
        shutil.rmtree(self.folder / "penstock")

    def _environments(self) -> UvEnvironments:
        """What a control plane has that has just been started."""
        return UvEnvironments(
            self.folder / "penstock", environ=self.environ, owner=str(self.folder), curated_file=self.folder / "c.yml"
        )

    def _by_hand(self, name: str, make: Callable[[Path], None]) -> None:
        folder = self.folder / "by-hand"
        self._timed(name, lambda: make(folder))
        self._look_at(name, folder)
        shutil.rmtree(folder)

    def _uv(self, folder: Path, *options: str) -> None:
        uv = find_uv_bin()
        self._run(uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(folder))
        self._run(uv, "pip", "install", "--quiet", *options, "--python", str(folder / "bin" / "python"), *PACKAGES)

    def _pip(self, folder: Path) -> None:
        self._run(sys.executable, "-m", "venv", str(folder))
        self._run(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *PACKAGES)

    def _look_at(self, name: str, folder: Path) -> None:
        """Import from an environment that was just made, as its first instance will."""
        result = self.results[name]
        result.own_bytes = own_bytes(folder)
        began = time.monotonic()
        self._run(str(folder / "bin" / "python"), "-c", IMPORTS)
        result.imported.append(time.monotonic() - began)

    def _timed(self, name: str, deed: Callable[[], object]) -> None:
        began = time.monotonic()
        deed()
        self.results.setdefault(name, Results()).made.append(time.monotonic() - began)

    def _run(self, *argv: str) -> None:
        subprocess.run(argv, env=dict(self.environ), cwd=self.folder, check=True)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="environments made in each way (default 3)")
    rounds: int = parser.parse_args(arguments).rounds
    folder = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    try:
        bench = Bench(folder)
        for number in range(rounds + 1):
            print(f"round {number} of {rounds}" + ("" if number else ", not counted: it fills the caches"), flush=True)
            bench.round(counted=number > 0)
    finally:
        shutil.rmtree(folder)
    print(f"\n{os.cpu_count()} CPUs; median of {rounds} rounds; {', '.join(PACKAGES)}")
    print(bench.table())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
