"""The diagnosis of requirements: what the resolver finds, put beside the interpreter and the strays."""

from collections.abc import Callable

from penstock.commands import Surroundings
from penstock.environments.base import Build, Diagnosis
from penstock.environments.doctor import examine
from penstock.environments.resolving import Resolver


def without_interpreter(fault: str) -> Diagnosis:
    """The diagnosis where no interpreter can be had."""
    return Diagnosis(
        python="", fingerprint="", cached=False, packages=0, faults=(fault,), changes=(), notices=(), complete=True
    )


def diagnosis(
    build: Build, worker: str, surroundings: Surroundings, tell: Callable[[str], None], *, cached: bool
) -> Diagnosis:
    """Whether what `build` asks for, and the worker's requirement, resolve; `cached` if they have been built."""
    python, notices = ("--python", str(build.python)), build.notices
    if build.missing is not None:
        python = (*python, "--python-version", build.missing.version)
        notices = (*notices, f"python {build.missing.version} would be installed first")
    resolver = Resolver(python, worker, surroundings, tell)
    findings = examine(build.packages, resolver)
    if resolver.built:
        notices = (*notices, f"built from source, as there is no wheel: {', '.join(resolver.built)}")
    return Diagnosis(
        python=build.missing.version if build.missing is not None else build.python_version,
        fingerprint=build.fingerprint,
        cached=cached,
        packages=len(findings.versions),
        faults=findings.faults,
        changes=findings.changes,
        notices=notices,
        complete=findings.complete,
    )
