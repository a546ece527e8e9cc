"""What is known of versions without asking the registry: their content never changes, so it is remembered for good.

So deployed models go on serving, and start again, while the registry is down.
"""

from pathlib import Path

from penstock import durable
from penstock.domain.errors import full_disk_named
from penstock.domain.model import ModelVersion
from penstock.domain.names import check_asset_name


class KnownVersions:
    """Versions whose files are in the artifact store, as `NAME/VERSION.json` below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def remember(self, version: ModelVersion) -> None:
        target = self._file(version.name, version.version)
        with full_disk_named(self._folder):
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            durable.replace(target, version.model_dump_json().encode())

    def recall(self, name: str, version: str) -> ModelVersion | None:
        """The version as it was when it was remembered; None if it never was."""
        try:
            return ModelVersion.model_validate_json(self._file(name, version).read_bytes())
        except (OSError, ValueError):
            return None

    def _file(self, name: str, version: str) -> Path:
        return self._folder / check_asset_name("model", name) / f"{check_asset_name('version', version)}.json"
