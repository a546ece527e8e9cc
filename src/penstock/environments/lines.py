"""Lines of requirements as pip writes them: which are kept, which do nothing here, and which cannot work at all."""

import re
from collections.abc import Iterable

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from penstock.commands import masked
from penstock.domain.environment import Requirements
from penstock.domain.errors import invalid
from penstock.environments.strays import strays

# Options that take one value, by all their names.
_KEPT = {
    "-i": "--index-url",
    "--index-url": "--index-url",
    "--extra-index-url": "--extra-index-url",
    "-f": "--find-links",
    "--find-links": "--find-links",
    "--no-binary": "--no-binary",
    "--only-binary": "--only-binary",
    "--trusted-host": "--trusted-host",
}
_FLAGS = ("--pre", "--no-index")
_WITHOUT_EFFECT = ("--prefer-binary", "--use-pep517", "--require-hashes")
_ELSEWHERE = "another file does not travel with this one: write its lines here"
_FROM_FOLDER = "packages are not installed from folders: build a wheel, or put the code into code_configuration"
_REFUSED = {
    "-r": _ELSEWHERE,
    "--requirement": _ELSEWHERE,
    "-c": _ELSEWHERE,
    "--constraint": _ELSEWHERE,
    "-e": _FROM_FOLDER,
    "--editable": _FROM_FOLDER,
}

_PROVIDED = {
    "azureml-defaults": "Penstock's worker serves the scoring script",
    "azureml-inference-server-http": "Penstock's worker serves the scoring script",
    "azureml-contrib-services": "Penstock's worker brings AMLRequest, AMLResponse and rawhttp",
    "penstock-worker": "it is installed in any case",
}

_OPTION = re.compile(r"(--?[a-zA-Z][-a-zA-Z0-9]*)(?:[=\s]\s*(.+))?\Z")
_COMMENT = re.compile(r"(^|\s)#.*")
_HASH = re.compile(r"\s--hash[=\s]\s*\S+")
_URL = re.compile(r"(https?://|git\+https?://|git\+ssh://)\S+\Z")
_FILE = re.compile(r"[./~]|.*(/|\.whl|\.tar\.gz|\.zip)\Z|file:|[A-Za-z]:\\")


def read_lines(lines: Iterable[str], where: str) -> Requirements:
    """Requirements that `lines` come to. `where` names their source in messages, e.g. "conda_file".

    Raises `invalid` with one sentence for each line that is not understood or cannot work here.
    """
    packages: list[str] = []
    notices: list[str] = []
    faults: list[str] = []
    for line in _logical(lines):
        kept, notice, fault = _read_option(line) if line.startswith("-") else _read_package(line)
        packages += [kept] if kept else []
        notices += [f"{where}: {notice}"] if notice else []
        faults += [f"{masked(line)!r}: {fault}"] if fault else []
    notices += [f"{where}: {sentence}" for sentence in strays(filter(None, map(package_name, packages)))]
    if faults:
        raise invalid(f"{where}: " + "; ".join(faults), {"faults": "\n".join(faults)})
    return Requirements(packages=tuple(dict.fromkeys(packages)), notices=tuple(notices))


def normalised(packages: Iterable[str]) -> tuple[str, ...]:
    """`packages` so that two lists are equal if they ask for the same: options in their order, then names in theirs."""
    options: list[str] = []
    names: set[str] = set()
    for line in packages:
        if line.startswith("-"):
            options.append(masked(line))
        else:
            names.add(masked(_normalised_package(line)))
    return (*options, *sorted(names))


def package_name(line: str) -> str | None:
    """The canonical name of the package that a line asks for; None for options, and for URLs that do not tell it."""
    try:
        return None if line.startswith("-") else canonicalize_name(Requirement(_HASH.sub("", line)).name)
    except InvalidRequirement:
        return None


def file_lines(packages: Iterable[str]) -> list[str]:
    """Those of the lines that uv reads from a file."""
    return [line for line in packages if line.partition(" ")[0] not in ("--pre", "--trusted-host")]


def arguments(packages: Iterable[str]) -> list[str]:
    """The others, as arguments for uv's resolver."""
    options = [line.partition(" ") for line in packages]
    trusted = [f"--allow-insecure-host={host}" for option, _, host in options if option == "--trusted-host"]
    return [*(["--prerelease=allow"] if any(option == "--pre" for option, _, _ in options) else []), *trusted]


_Verdict = tuple[str | None, str | None, str | None]  # kept line, notice, fault


def _logical(lines: Iterable[str]) -> list[str]:
    """Lines without comments and blanks, those that end with a backslash joined with their next."""
    text = "\n".join(_COMMENT.sub("", line.replace("\r", "")).rstrip() for line in lines)
    return [line.strip() for line in text.replace("\\\n", " ").split("\n") if line.strip()]


def _read_option(line: str) -> _Verdict:
    match = _OPTION.match(line) or re.match(r"(-[irfce])(\S+)\Z", line)
    name, value = (match[1], match[2]) if match else (line, None)
    if name in _REFUSED:
        return None, None, _REFUSED[name]
    if name in _WITHOUT_EFFECT:
        return None, f"{name} has no effect here", None
    if name in _FLAGS and value is None:
        return name, None, None
    if name not in _KEPT or not value:
        return None, None, "this pip option is not supported here"
    if _KEPT[name] in ("--index-url", "--extra-index-url", "--find-links") and not _URL.match(value):
        return None, None, "give a URL: folders do not travel with the requirements"
    return f"{_KEPT[name]} {value.strip()}", None, None


def _read_package(line: str) -> _Verdict:
    if _URL.match(line):
        return line, None, None
    hashes = "".join(_HASH.findall(line))
    try:
        requirement = Requirement(_HASH.sub("", line))
    except InvalidRequirement as err:
        if _FILE.match(line):
            return None, None, "files and folders do not travel with the requirements: give a package's name or URL"
        return None, None, f"this is not a requirement ({str(err).splitlines()[0]})"
    if requirement.url and not _URL.match(requirement.url):
        return None, None, "files and folders do not travel with the requirements: give an https URL"
    name = canonicalize_name(requirement.name)
    if name in _PROVIDED:
        return None, f"{name} is left out: {_PROVIDED[name]}", None
    return f"{requirement}{hashes}", None, None


def _normalised_package(line: str) -> str:
    try:
        requirement = Requirement(_HASH.sub("", line))
    except InvalidRequirement:
        return line
    requirement.name = canonicalize_name(requirement.name)
    return f"{requirement}{''.join(_HASH.findall(line))}"
