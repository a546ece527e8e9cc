"""What container tools say when something fails, in a sentence with the remedy."""

import pytest

from penstock.containers.failures import build_failure, exchange_failure
from penstock.domain.errors import Code

PULL = "Error: initializing source docker://r:5000/x:1: "
PING = PULL + 'pinging container registry r:5000: Get "https://r:5000/v2/": '


@pytest.mark.parametrize(
    ("output", "code", "words"),
    [
        (PULL + "reading manifest 1 in r:5000/x: manifest unknown", Code.NOT_FOUND, "look at its name and tag"),
        ("manifest for r:5000/x:1 not found: manifest unknown", Code.NOT_FOUND, "is not in the registry"),
        (PULL + "unauthorized: authentication required", Code.DENIED, "podman login REGISTRY"),
        ("pull access denied for x, repository does not exist or may require 'docker login'", Code.DENIED, "log in"),
        (PING + "dial tcp 10.0.0.1:5000: connect: connection refused", Code.UNAVAILABLE, "(connection refused)"),
        (PING + "dial tcp: lookup r on 10.0.0.53:53: no such host", Code.UNAVAILABLE, "(no such host)"),
        (PING + "dial tcp 10.0.0.1:5000: i/o timeout", Code.UNAVAILABLE, "(i/o timeout)"),
        (PULL + "received unexpected HTTP status: 502 Bad Gateway", Code.UNAVAILABLE, "cannot be reached"),
        (PING + "http: server gave HTTP response to HTTPS client", Code.FAILED, "plain HTTP"),
        (PING + "x509: certificate signed by unknown authority", Code.FAILED, "(x509: certificate signed by unknown"),
        (
            'Error: short-name "x" did not resolve to an alias and no unqualified-search registries are defined in "y"',
            Code.NOT_FOUND,
            "write REGISTRY/NAME:TAG",
        ),
        ("Error: writing blob: write /var/lib/x: no space left on device", Code.UNAVAILABLE, "disk"),
        ("Error: something new", Code.FAILED, "something new"),
        ("", Code.FAILED, "without a word"),
    ],
)
def test_an_exchange_that_failed_is_explained(output: str, code: Code, words: str) -> None:
    error = exchange_failure("image 'r:5000/x:1'", output)
    assert error.code is code
    assert error.message.startswith("image 'r:5000/x:1' ")
    assert words in error.message


@pytest.mark.parametrize(
    ("output", "code", "words"),
    [
        (
            'STEP 2/2: RUN pip install nope\nERROR: no matching distribution\nError: building at STEP "RUN pip install '
            'nope": while running runtime: exit status 1',
            Code.FAILED,
            "'RUN pip install nope' ended with exit code 1",
        ),
        ("The command '/bin/sh -c false' returned a non-zero code: 1", Code.FAILED, "ended with exit code 1"),
        (
            'ERROR: failed to solve: process "/bin/sh -c exit 7" did not complete successfully: exit code: 7',
            Code.FAILED,
            "'/bin/sh -c exit 7' ended with exit code 7",
        ),
        (
            'Error: building at STEP "COPY x /": checking on sources: copier: stat: "/x": no such file or directory',
            Code.FAILED,
            "'COPY x /': checking on sources",
        ),
        (
            'OSError: [Errno 28] No space left on device\nError: building at STEP "RUN x": exit status 1',
            Code.UNAVAILABLE,
            "free some space",
        ),
        (
            "Error: creating build container: " + PING + "connect: connection refused",
            Code.UNAVAILABLE,
            "an image that it begins from is in a registry that cannot be reached",
        ),
        ("Error: no FROM statement found", Code.FAILED, "no FROM statement found"),
    ],
)
def test_a_build_that_failed_is_explained(output: str, code: Code, words: str) -> None:
    error = build_failure("image 'x:1'", output)
    assert error.code is code
    assert words in error.message
    assert error.details["log"] == output
