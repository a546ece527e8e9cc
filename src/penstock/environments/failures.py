"""Why a build failed, told from uv's output in a sentence that names the packages."""

import re
from dataclasses import dataclass

from penstock.domain.errors import Code

CLASH = "the requirements clash with each other: "  # what the sentence about a clash begins with

_TAIL_LINES = 40
_TAIL_CHARACTERS = 8000
_WORKER = re.compile(r"\bpenstock-worker\b")

_DISK_FULL = re.compile(r"No space left on device|os error 28\b|Disk quota exceeded")
_NOT_BUILT = re.compile(r"Failed to (?:download and )?build `([^`]+)`")
_UNKNOWN = re.compile(r"([\w.-]+) was not found in the (?:package registry|cache|provided package locations)")
_PYTHON = re.compile(r"the current Python version \(([\d.]+)\) does not satisfy Python([^\s]+)")
_NEEDS_PYTHON = re.compile(r"([\w.-]+(?:[=<>!~]=?[^\s,]+)?) depends on Python")
_NO_VERSION = re.compile(r"there (?:is no version|are no versions) of ([^\s]+)")
_ONLY = re.compile(r"only (?:the following versions of )?(.{1,300}?) (?:is|are) available")
_NO_WHEEL = re.compile(r"([\w.-]+(?:==[^\s]+)?) has no (?:wheels|usable wheels|source distribution)")
_REFUSED = re.compile(r"\b(401 Unauthorized|403 Forbidden|407 Proxy)")
_FETCH = re.compile(r"Failed to (?:fetch|download):? `?([^\s`]+)")
_NETWORK = re.compile(
    r"Failed to (?:fetch|download)|error sending request|tcp connect error|dns error|network was disabled"
)
_BORDER = re.compile(r"^[\s\u00d7│├╰▶─]*(?:cause:)?\s*")  # how uv draws chains of causes


@dataclass(frozen=True)
class Failure:
    """`code` is `failed` where the requirements are at fault, `unavailable` where it may work later."""

    code: Code
    message: str


def explain(output: str) -> Failure:
    """The reason that uv's `output` gives, most telling first."""
    text = " ".join(_BORDER.sub("", line) for line in output.splitlines())
    if _DISK_FULL.search(text):
        return Failure(Code.UNAVAILABLE, "the disk is full: free some space and deploy again")
    if built := _NOT_BUILT.search(text):
        return Failure(Code.FAILED, _not_built(built[1], output))
    if "No solution found" in text:
        return Failure(Code.FAILED, _unsolved(text))
    if refused := _REFUSED.search(text):
        return Failure(Code.FAILED, f"{_place(text)} answered {refused[1]}: check the credentials in the index URL")
    if _NETWORK.search(text):
        return Failure(Code.UNAVAILABLE, f"{_place(text)} could not be reached: check network, proxy and index URL")
    return Failure(Code.FAILED, _last_error(output))


def tail(output: str) -> str:
    """The last lines of `output`, as many as fit a message."""
    return "\n".join(output.splitlines()[-_TAIL_LINES:])[-_TAIL_CHARACTERS:]


def _unsolved(text: str) -> str:
    """Why the requirements have no solution. The text from "Because" on is uv's own proof and names both sides."""
    because = text.find("Because")
    proof = text[because:] if because >= 0 else text
    proof = re.split(r"\bhint:", proof)[0].strip()
    if unknown := _UNKNOWN.search(text):
        return f"there is no package {unknown[1]!r}: check the spelling, or add its index with --extra-index-url"
    if _WORKER.search(proof):
        return f"the requirements clash with those of penstock-worker, which serves the model: {proof}"
    if python := _PYTHON.search(text):
        package = _NEEDS_PYTHON.search(text)
        what = package[1] if package else "a package"
        return f"{what} needs Python {python[2].strip(',')} and the environment has {python[1]}: ask for that Python"
    if missing := _NO_VERSION.search(text):
        return _no_version(missing[1], text)
    if wheel := _NO_WHEEL.search(text):
        return f"{wheel[1]} has no wheels for this Python and platform: ask for another version of it or of Python"
    return f"{CLASH}{proof}"


def _no_version(missing: str, text: str) -> str:
    only = _ONLY.search(text)
    name = re.split(r"[=<>!~]", missing)[0]
    there = f" (there is only {' '.join(only[1].split())})" if only and name in only[1] else ""
    return f"there is no version {missing}{there}: ask for one that exists"


def _not_built(package: str, output: str) -> str:
    """The package and the last line that its own build wrote, which is where compilers and Python say it."""
    said = [line.strip() for line in output.partition("\nhint:")[0].splitlines() if line.startswith("         ")]
    reason = f" ({said[-1][:300]})" if said and said[-1] else ""
    name = package.partition(" @ ")[0]
    return (
        f"package {name} has no wheel for this Python and platform and could not be built from source{reason}: "
        "ask for a version that has wheels, or for another Python"
    )


def _place(text: str) -> str:
    found = _FETCH.search(text)
    return found[1] if found else "the package index"


def _last_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [number for number, line in enumerate(lines) if line.startswith(("error:", "\u00d7"))]
    said = lines[errors[-1] :] if errors else lines[-1:]
    return " ".join(_BORDER.sub("", line).removeprefix("error: ") for line in said)[:500] or "uv ended without a word"
