"""Registered environments: what can be asked of them."""

from penstock.client.resources import AppliedEnvironment, RegisteredEnvironment, understood, understood_items
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


def _path(name: str, version: str) -> str:
    return f"{_ROOT}/{segment(name)}/versions/{segment(version)}"
