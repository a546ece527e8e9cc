"""Locks: the very versions that requirements came to, with the hashes of their files, as uv writes and reads them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from penstock.commands import masked

_HASH = re.compile(r"\s--hash[=\s]\s*(\S+)")
_NAME = re.compile(r"[A-Za-z0-9][-._A-Za-z0-9]*")
_MISMATCH = re.compile(r"Hash mismatch for `([^`]+)`")
_CREDENTIALS = re.compile(r"(?<=://)([^/\s@]*@)([^/\s@]+)")


@dataclass(frozen=True)
class Pin:
    """One package of a lock: `six==1.17.0` or `six @ https://...`, its files' hashes, and notes on who asked for it."""

    requirement: str
    hashes: tuple[str, ...]  # e.g. "sha256:4721f3..."; none for what comes out of a repository
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        name = _NAME.match(self.requirement)
        return canonicalize_name(name[0]) if name else self.requirement

    def __str__(self) -> str:
        return " \\\n    ".join([self.requirement, *(f"--hash={value}" for value in self.hashes)])


def read_lock(text: str) -> Sequence[Pin]:
    """The pins of what `uv pip compile` wrote; options and other comments are left out."""
    pins: list[Pin] = []
    for line in text.replace("\\\n", "").splitlines():
        if not line.strip() or line.startswith(("#", "-")):
            continue
        if not line.startswith(" "):
            pins.append(Pin(_HASH.sub("", line).strip(), tuple(_HASH.findall(line))))
        elif pins:
            last = pins[-1]
            pins[-1] = Pin(last.requirement, last.hashes, (*last.notes, line.strip()))
    return pins


def lock_text(pins: Iterable[Pin]) -> str:
    """Text that `read_lock` reads again, for keeping: without the users and passwords of URLs."""
    return "".join(f"{masked(str(pin))}\n" + "".join(f"    {note}\n" for note in pin.notes) for pin in pins)


def as_asked(pins: Iterable[Pin], packages: Sequence[str], worker: Pin) -> Sequence[Pin]:
    """`pins` with what a lock does not keep: for the same `packages`, and with `worker` as it is now.

    1. Hashes that the user gave count alone: uv writes down all that the index has.
    2. Users and passwords of URLs, by host.
    3. The worker's file, which is where it is now.
    """
    hashes = _asked_hashes(packages)
    users = {host: user for line in packages for user, host in _CREDENTIALS.findall(line)}

    def asked(pin: Pin) -> Pin:
        requirement = _CREDENTIALS.sub(lambda found: users.get(found[2], found[1]) + found[2], pin.requirement)
        return Pin(requirement, hashes.get(pin.name, pin.hashes), pin.notes)

    return [*(asked(pin) for pin in pins if pin.name != worker.name), worker]


def unhashed(pins: Iterable[Pin]) -> Sequence[str]:
    """The packages that have no hash, by name."""
    return [pin.name for pin in pins if not pin.hashes]


def mismatched(output: str) -> str | None:
    """The package of which uv got another file than the lock tells, if that is why it ended."""
    found = _MISMATCH.search(output)
    return found[1] if found else None


def _asked_hashes(packages: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    asked: dict[str, tuple[str, ...]] = {}
    for line in packages:
        hashes = tuple(_HASH.findall(line))
        if hashes and (name := _NAME.match(line)):
            asked[canonicalize_name(name[0])] = hashes
    return asked
