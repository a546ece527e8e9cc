"""Registered environments."""

from penstock.control.resources import Resources
from penstock.domain.environment import ENVIRONMENT, Environment
from penstock.preparation.versions import Registered, Versions, Words

_WORDS = Words[Environment](
    noun="environment",
    create="penstock environment create -f FILE",
    holds=lambda _: "exists with other content",
)


def environment_versions(resources: Resources) -> Versions[Environment]:
    return Versions(resources, ENVIRONMENT, _WORDS)


def find_environment(resources: Resources, name: str, version: str | None) -> Registered[Environment]:
    return environment_versions(resources).find(name, version)
