"""The peers' Python environments, made from their pinned requirement files and kept for the next run."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from commands import run
from uv import find_uv_bin

PEERS = Path(__file__).parent / "peers"


def python_of(peer: str, folder: Path, peers: Path = PEERS) -> Path:
    """The interpreter of the peer's environment, which is made where there is none for its requirements."""
    requirements = peers / peer / "requirements.txt"
    fingerprint = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    venv = folder / f"{peer}-{fingerprint}"
    done = venv / "complete"
    if not done.exists():
        print(f"    installing {peer} into {venv}", flush=True)
        shutil.rmtree(venv, ignore_errors=True)
        run((find_uv_bin(), "venv", "--quiet", "--python", sys.executable, str(venv)))
        install = (find_uv_bin(), "pip", "install", "--quiet", "--python", str(venv / "bin" / "python"))
        compiled = {**os.environ, "UV_COMPILE_BYTECODE": "1"}
        run((*install, "--requirement", str(requirements)), environment=compiled)
        done.touch()
    return venv / "bin" / "python"
