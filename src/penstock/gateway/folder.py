"""The gateway's folder: HAProxy's files, its log, and what a later control plane must know of it.

Every file is replaced in one step, so that neither a kill nor a full disk leaves half a file behind.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from penstock import durable
from penstock.domain.errors import PenstockError, unavailable
from penstock.gateway import maps
from penstock.gateway.config import SCRIPTS, Config
from penstock.gateway.settings import GatewaySettings
from penstock.gateway.table import RoutingTable

_LOG_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Saved:
    """The table that was applied last, and the port that it was served on."""

    port: int
    table: RoutingTable


_SAVED = TypeAdapter(Saved)


class Folder:
    """Files of the gateway, readable by their owner only. Methods raise `unavailable` if the disk refuses."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.path = settings.folder
        self.log = settings.folder / "haproxy.log"
        self._run = settings.run_folder

    def prepare(self) -> None:
        """Make the folders, and the link by which HAProxy reaches the sockets."""
        try:
            for folder in (self.path, self.path / "maps", self._run):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.chmod(0o700)
            link, new = self.path / "run", self.path / "run.tmp"
            new.unlink(missing_ok=True)
            new.symlink_to(self._run.absolute(), target_is_directory=True)
            new.replace(link)
        except OSError as err:
            raise _refused(self.path, err) from err

    def saved(self) -> Saved | None:
        """What `save` wrote, or None if there is nothing that can be read."""
        try:
            return _SAVED.validate_json((self.path / "applied.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def save(self, saved: Saved) -> None:
        self._write("applied.json", _SAVED.dump_json(saved))

    def write(self, config: Config) -> None:
        """Replace HAProxy's files, those that differ: the maps first, then the configuration that names them."""
        for file in maps.ALL:
            self._write(file, maps.written(config.maps[file]).encode())
        for name, script in SCRIPTS.items():
            self._write(name, script.encode())
        self._write("haproxy.cfg", config.text.encode())

    def write_states(self, text: str) -> None:
        """Replace the states of servers that HAProxy takes over when it starts."""
        self._write("servers.state", text.encode())

    def log_end(self) -> int:
        """Size of the log in bytes."""
        try:
            return self.log.stat().st_size
        except OSError:
            return 0

    def log_tail(self, start: int) -> str:
        """The end of what was logged after position `start`."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(start, self.log_end() - 4000))
                return file.read().decode(errors="replace").strip()
        except OSError:
            return ""

    def rotate_log(self) -> None:
        """Keep one old log and start anew once the log is large. HAProxy appends, so it goes on in the emptied file."""
        if self.log_end() <= _LOG_BYTES:
            return
        try:
            self._write("haproxy.log.1", self.log.read_bytes())
            os.truncate(self.log, 0)
        except OSError as err:
            raise _refused(self.log, err) from err

    def _write(self, name: str, content: bytes) -> None:
        path = self.path / name
        try:
            if not path.is_file() or path.read_bytes() != content:
                durable.replace(path, content)
        except OSError as err:
            raise _refused(path, err) from err


def _refused(path: Path, err: OSError) -> PenstockError:
    return unavailable(f"the gateway's file {path} cannot be written: {err.strerror or err}")
