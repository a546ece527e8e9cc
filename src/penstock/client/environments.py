"""Registered environments: what can be asked of them."""

from collections.abc import Sequence

from penstock.client.deployments import Log
from penstock.client.resources import (
    Answer,
    AppliedEnvironment,
    PrunedEnvironment,
    RegisteredEnvironment,
    understood,
    understood_items,
)
from penstock.client.transport import Transport, segment
from penstock.domain.asset import AssetChange
from penstock.domain.environment import Environment
from penstock.domain.errors import invalid
from penstock.domain.examination import Examination, Patient

_ROOT = "/environments"


class _Logs(Answer):
    logs: tuple[Log, ...]


class Environments:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create_or_update(self, environment: Environment) -> AppliedEnvironment:
        """Keep a version of an environment; without `version`, the next one. What it comes to never changes."""
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

    def list(self, name: str | None = None, *, include_archived: bool = False) -> list[RegisteredEnvironment]:
        """All versions, newest first, of one environment or of all."""
        query = {"name": name, "include_archived": "true" if include_archived else None}
        return understood_items(RegisteredEnvironment, self._transport.get(_ROOT, query))

    def change(self, name: str, version: str, change: AssetChange) -> AppliedEnvironment:
        """Say something else of a version; fields that are not set stay as they are."""
        said = change.model_dump(mode="json", exclude_unset=True)
        return understood(AppliedEnvironment, self._transport.patch(_path(name, version), said))

    def archive(self, name: str, version: str) -> RegisteredEnvironment:
        """Hide a version from lists and from `latest`; it stays deployable."""
        return understood(RegisteredEnvironment, self._transport.post(f"{_path(name, version)}/archive"))

    def restore(self, name: str, version: str) -> RegisteredEnvironment:
        return understood(RegisteredEnvironment, self._transport.post(f"{_path(name, version)}/restore"))

    def examine(self, patient: Patient) -> Examination:
        """Whether an environment can be built and, if not, what to change; takes up to minutes, installs nothing."""
        return understood(Examination, self._transport.post(f"{_ROOT}/doctor", patient.model_dump(mode="json")))

    def log(self, name: str, version: str = "latest", *, lines: int = 200) -> Sequence[Log]:
        """The end of what the last build of a registered environment said. Raises `not_found` if there was none."""
        return understood(_Logs, self._transport.get(f"{_path(name, version)}/logs", {"lines": lines})).logs

    def log_of(self, fingerprint: str, *, lines: int = 200) -> Sequence[Log]:
        """The same of the environment with this fingerprint, registered or not."""
        return understood(_Logs, self._transport.get(f"{_ROOT}/logs/{segment(fingerprint)}", {"lines": lines})).logs

    def prune(self, older_than: str = "30d", *, dry_run: bool = False) -> Sequence[PrunedEnvironment]:
        """Remove built environments that no deployment uses and that were last used so long ago; what is gone."""
        asked = {"older_than": older_than, "dry_run": dry_run}
        return understood_items(PrunedEnvironment, self._transport.post(f"{_ROOT}/prune", asked))


def _path(name: str, version: str) -> str:
    return f"{_ROOT}/{segment(name)}/versions/{segment(version)}"
