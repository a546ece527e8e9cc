"""Where the files of one environment lie."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_FINGERPRINT = re.compile(r"[0-9a-f]{16}\Z")


def is_fingerprint(text: str) -> bool:
    return _FINGERPRINT.match(text) is not None


@dataclass(frozen=True)
class Place:
    """The files of the environment with `fingerprint` below `root`. Only `folder` goes when it is collected."""

    root: Path
    fingerprint: str

    @property
    def folder(self) -> Path:
        """The virtual environment."""
        return self.root / self.fingerprint

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> Sequence[Path]:
        """The folders of packages; some systems have two."""
        return sorted({path.resolve() for path in self.folder.glob("lib*/python*/site-packages")})

    @property
    def marker(self) -> Path:
        """Written last, so that what has it is whole. Its time of change tells when the environment was last used."""
        return self.folder / ".complete"

    @property
    def manifest(self) -> Path:
        return self.folder / ".manifest"

    @property
    def log(self) -> Path:
        """What the last build said."""
        return self.root / f"{self.fingerprint}.log"

    @property
    def lock(self) -> Path:
        """The versions and hashes that a build installs."""
        return self.root / f"{self.fingerprint}.lock"

    @property
    def failure(self) -> Path:
        """Why the last build failed, if it did."""
        return self.root / f"{self.fingerprint}.failed"

    @property
    def turn(self) -> Path:
        """Held by who builds, hands out or removes the environment; see `turn.py`."""
        return self.root / f"{self.fingerprint}.turn"
