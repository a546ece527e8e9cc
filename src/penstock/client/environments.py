"""Registered environments: what can be asked of them."""

from collections.abc import Sequence

from penstock.client.resources import (
    AppliedEnvironment,
    PrunedEnvironment,
    RegisteredEnvironment,
    understood,
    understood_items,
)
from penstock.client.transport import Transport, segment
from penstock.domain.environment import Environment
from penstock.domain.errors import invalid

_ROOT = "/environments"


class Environments:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create_or_update(self, environment: Environment) -> AppliedEnvironment:
        """Keep a version of an environment; without `version`, the next one. Versions never change."""
        if environment.name is None:
            raise invalid("the environment has no name: give `name`")
        if environment.version is None:
            answer = self._transport.post(_ROOT, environment.model_dump(mode="json"))
        else:
            content = environment.model_dump_json().encode()
            answer = self._transport.put(_path(environment.name, environment.version), content)
        return understood(AppliedEnvironment, answer)

    def get(self, name: str, version: str = "latest") -> RegisteredEnvironment:
        return understood(RegisteredEnvironment, self._transport.get(_path(name, version)))

    def list(self, name: str | None = None) -> list[RegisteredEnvironment]:
        return understood_items(RegisteredEnvironment, self._transport.get(_ROOT, {"name": name}))

    def prune(self, older_than: str = "30d", *, dry_run: bool = False) -> Sequence[PrunedEnvironment]:
        """Remove built environments that no deployment uses and that were last used so long ago; what is gone."""
        asked = {"older_than": older_than, "dry_run": dry_run}
        return understood_items(PrunedEnvironment, self._transport.post(f"{_ROOT}/prune", asked))


def _path(name: str, version: str) -> str:
    return f"{_ROOT}/{segment(name)}/versions/{segment(version)}"
