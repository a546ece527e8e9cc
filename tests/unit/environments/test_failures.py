"""uv's output is told in one sentence that names the packages."""

import pytest

from penstock.domain.errors import Code
from penstock.environments.failures import explain, tail

HEAD = "Using Python 3.11.7 environment at: v\n"
NO_SOLUTION = HEAD + "error: No solution found when resolving dependencies\n  cause: "
UNSATISFIABLE = ", we can conclude that your requirements are unsatisfiable.\n"
OLD_CLASH = """  \u00d7 No solution found when resolving dependencies:
  \u2570\u2500\u25b6 Because flask==3.0.0 depends on werkzeug>=3.0.0 and you require
      flask==3.0.0, we can conclude that you require werkzeug>=3.0.0.
      And because you require werkzeug==2.0, we can conclude that your
      requirements are unsatisfiable.
"""
NOT_BUILT = """Resolved 1 package in 328ms
   Building numpy==1.19.5
error: Failed to build `numpy==1.19.5`
  cause: The build backend returned an error
  cause: Call to `setuptools.build_meta:__legacy__.build_wheel` failed (exit status: 1)

         [stderr]
         Traceback (most recent call last):
         ModuleNotFoundError: No module named 'distutils'

hint: `distutils` was removed
"""
UNREACHABLE = """error: Request failed after 3 retries in 11.2s
  cause: Failed to fetch: https://index.example/simple/isort/
  cause: error sending request for url (https://index.example/simple/isort/)
  cause: Connection refused (os error 111)
"""


@pytest.mark.parametrize(
    ("output", "parts"),
    [
        (
            NO_SOLUTION + "Because nosuch was not found in the package registry and you require nosuch" + UNSATISFIABLE,
            ["no package 'nosuch'"],
        ),
        (
            NO_SOLUTION + "Because there is no version of six==99.0 and you require six==99.0" + UNSATISFIABLE,
            ["no version six==99.0"],
        ),
        (
            NO_SOLUTION + "Because only six<=1.17 is available and there are no versions of six>2" + UNSATISFIABLE,
            ["no version six>2", "there is only six<=1.17"],
        ),
        (
            NO_SOLUTION
            + "Because the current Python version (3.10.13) does not satisfy Python>=3.11 and networkx==3.5 depends on "
            "Python>=3.11, we can conclude that networkx==3.5 cannot be used.\n",
            ["networkx==3.5 needs Python >=3.11", "has 3.10.13"],
        ),
        (
            NO_SOLUTION
            + "Because only penstock-worker==0.1.0 is available and penstock-worker==0.1.0 depends on httptools>=0.5, "
            "we can conclude that all versions of penstock-worker depend on httptools>=0.5.\n"
            "         And because you require penstock-worker and httptools==0.1.0" + UNSATISFIABLE,
            ["those of penstock-worker", "httptools>=0.5", "httptools==0.1.0"],
        ),
        (OLD_CLASH, ["clash with each other", "werkzeug>=3.0.0", "require werkzeug==2.0, we can"]),
        (NOT_BUILT, ["numpy==1.19.5", "could not be built from source", "No module named 'distutils'"]),
        ("error: Couldn't parse requirement in `r` at position 0\n  cause: no\n", ["Couldn't parse requirement", "no"]),
        (
            "error: Failed to fetch: `https://h/simple/`\n cause: HTTP status client error (401 Unauthorized)",
            ["h/simple", "401"],
        ),
        ("", ["without a word"]),
    ],
)
def test_faults_of_the_requirements_are_the_users(output, parts):
    failure = explain(output)
    assert failure.code is Code.FAILED
    for part in parts:
        assert part in failure.message
    assert "\n" not in failure.message


@pytest.mark.parametrize(
    ("output", "part"),
    [
        (UNREACHABLE, "https://index.example/simple/isort/ could not be reached"),
        ("error: Failed to build `x`\n  cause: No space left on device (os error 28)\n", "disk is full"),
    ],
)
def test_faults_of_the_moment_may_pass(output, part):
    failure = explain(output)
    assert failure.code is Code.UNAVAILABLE
    assert part in failure.message


def test_the_tail_is_bounded():
    assert tail("\n".join(map(str, range(100)))).splitlines() == [str(n) for n in range(60, 100)]
    assert len(tail("x" * 100_000)) == 8000
