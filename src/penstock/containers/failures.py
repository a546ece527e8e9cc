"""Why a container tool could not get, build or send an image, told from its output in a sentence with the remedy."""

import re

from penstock.domain.errors import Code, PenstockError

_TAIL_LINES = 40
_TAIL_CHARACTERS = 8000
_FULL = "the disk with the images is full: free some space (`podman image prune`) and try again"
_LONGEST_STEP = 120  # characters of a Dockerfile's line

_DISK_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_NO_REGISTRY = re.compile(r"no unqualified-search registries are defined|short-name resolution enforced")
_PLAIN_HTTP = re.compile(r"server gave HTTP response to HTTPS client")
_TLS = re.compile(r"(x509: [^\n\"]{1,200}|tls: [^\n\"]{1,200})")
_CREDENTIALS = re.compile(
    r"unauthorized|authentication required|401 \(?Unauthorized|403 \(?Forbidden|no basic auth credentials"
    r"|invalid username/password|(?:requested )?access to the resource is denied|pull access denied|insufficient_scope",
    re.IGNORECASE,
)
_NOT_FOUND = re.compile(
    r"manifest unknown|name unknown|repository name not known|manifest for \S+ not found|: not found\b|404 \(?Not Found"
    r"|image not known|No such image",
    re.IGNORECASE,
)
_UNREACHABLE = re.compile(
    r"(connection refused|no such host|i/o timeout|network is unreachable|no route to host|connection reset by peer"
    r"|server misbehaving|TLS handshake timeout|deadline exceeded|unexpected EOF|toomanyrequests|\b50[0234] [A-Z]\w+"
    r"|received unexpected HTTP status: 5\d\d)",
    re.IGNORECASE,
)
# podman's words, and those of docker's two builders.
_STEP = re.compile(
    r"building at STEP \"(.+?)\": (.+)"
    r"|(?:The command '|process \")(.+?)"
    r"(?:' returned a non-zero code|\" did not complete successfully: exit code): (\d+)"
)
_ENDED = re.compile(r"exit(?:ed with)? (?:status|code)[: ]*(\d+)")


def tail(output: str) -> str:
    """The last lines of `output`, as many as fit a message."""
    return "\n".join(output.splitlines()[-_TAIL_LINES:])[-_TAIL_CHARACTERS:]


def exchange_failure(what: str, output: str) -> PenstockError:
    """Why an image did not come from, or go to, a registry. `what` begins the sentence: "image 'x'"."""
    code, reason = _exchange(output)
    return PenstockError(code, f"{what} {reason}", {"log": tail(output)})


def build_failure(what: str, output: str) -> PenstockError:
    """Why an image was not built."""
    if _DISK_FULL.search(output):
        return PenstockError(Code.UNAVAILABLE, f"{what} cannot be built: {_FULL}", {"log": tail(output)})
    if steps := list(_STEP.finditer(output)):
        return PenstockError(Code.FAILED, f"{what} cannot be built: {_step(steps[-1])}", {"log": tail(output)})
    if any(pattern.search(output) for pattern in (_NO_REGISTRY, _PLAIN_HTTP, _TLS, _CREDENTIALS, _UNREACHABLE)):
        code, reason = _exchange(output)
        return PenstockError(
            code, f"{what} cannot be built: an image that it begins from {reason}", {"log": tail(output)}
        )
    return PenstockError(Code.FAILED, f"{what} cannot be built: {_last_error(output)}", {"log": tail(output)})


def _step(failed: re.Match[str]) -> str:
    """What the step was, and how it ended."""
    text = " ".join((failed[1] or failed[3]).split())
    step = text if len(text) <= _LONGEST_STEP else f"{text[: _LONGEST_STEP - 3]}..."
    ended = _ENDED.search(failed[0])
    code = ended[1] if ended else failed[4]
    return f"{step!r} ended with exit code {code}" if code else f"{step!r}: {failed[2].partition(' &')[0]}"


def _exchange(output: str) -> tuple[Code, str]:
    """The first that fits; later ones also appear beside earlier ones in what tools say."""
    if _DISK_FULL.search(output):
        return Code.UNAVAILABLE, f"cannot be kept: {_FULL}"
    if _NO_REGISTRY.search(output):
        return Code.NOT_FOUND, "is not on this machine, and its name says no registry: write REGISTRY/NAME:TAG"
    if _PLAIN_HTTP.search(output):
        return Code.FAILED, (
            "is in a registry that speaks plain HTTP: give it TLS, name it as insecure in "
            "/etc/containers/registries.conf, or allow it with --no-tls-verify"
        )
    if tls := _TLS.search(output):
        return Code.FAILED, (
            f"is in a registry whose certificate is not trusted ({tls[1].strip()}): put its authority's certificate "
            "into /etc/containers/certs.d/HOST:PORT/ca.crt, or name a bundle with SSL_CERT_FILE"
        )
    return _answered(output)


def _answered(output: str) -> tuple[Code, str]:
    if _NOT_FOUND.search(output) and not re.search("pull access denied", output):
        return Code.NOT_FOUND, "is not in the registry: look at its name and tag, or push it first"
    if _CREDENTIALS.search(output):
        return Code.DENIED, (
            "needs credentials of its registry that this machine does not have: log in with "
            "`podman login REGISTRY` or `docker login REGISTRY`"
        )
    if unreachable := _UNREACHABLE.search(output):
        return Code.UNAVAILABLE, f"is in a registry that cannot be reached ({unreachable[1]}): look at it, or try again"
    return Code.FAILED, f"could not be exchanged with its registry: {_last_error(output)}"


def _last_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or ["the tool ended without a word"])[-1].removeprefix("Error: ")[:500]
