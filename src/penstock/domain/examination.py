"""Examinations: what `environment doctor` is given to look at, and what it answers."""

from penstock.domain.environment import Environment
from penstock.domain.resource import Frozen


class Patient(Frozen):
    """An environment, or the model whose own environment is meant; both, where a deployment has both."""

    environment: Environment | str | None = None  # a string is a registered or a curated name
    model: str | None = None  # as a deployment names it: `azureml:NAME:VERSION`, `models:/NAME/3`, `artifact:...`
    model_files: dict[str, str] = {}  # small files of an MLflow model that is not uploaded: MLmodel, conda.yaml, ...


class ProposedChange(Frozen):
    """A line of the requirements, and what to write in its place; None: nothing."""

    old: str
    new: str | None


class Examination(Frozen):
    """What was found. Without `faults` the requirements can be had; `changes` together mend what is wrong.

    If `complete` is false there was no time to look for all changes.
    """

    resolvable: bool
    python: str  # the version that would be used; empty if there is none
    fingerprint: str
    cached: bool  # the environment has been built already
    packages: int  # how many would be installed
    faults: tuple[str, ...]
    changes: tuple[ProposedChange, ...]
    notices: tuple[str, ...]
    complete: bool
