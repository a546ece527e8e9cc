"""Places for data that tests list, fetch from and store to, each as the datastore `lake`."""

import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
from gcsfs.core import GCSFileSystem

from penstock.domain.data import Data
from penstock.domain.datastore import Credentials, Datastore
from penstock.domain.errors import not_found
from penstock.settings import MoverSettings
from penstock.storage.anywhere import Anywhere
from penstock.storage.base import StoredFile
from penstock.storage.connections import Connection, connection
from penstock.storage.mover import Mover
from penstock.storage.openings import DATASTORES, SECRETS, Opening, variables
from penstock.storage.secrets import DatastoreSecrets
from penstock_worker import batch_contract as contract
from penstock_worker.batch_contract import File, Remote, Result, Segment, Task


@dataclass
class Lake:
    """`wrong` are credentials that it does not know."""

    datastore: Datastore
    folder: Path  # of this test, on this machine
    credentials: Credentials | None = None
    wrong: Credentials | None = None

    @property
    def files(self) -> Any:
        """fsspec's own view of it."""
        opened = self.opened()
        if opened.protocol == "gs":  # see storage/objects.py
            return GCSFileSystem(project="test", use_listings_cache=False, **opened.options)
        return fsspec.filesystem(opened.protocol, use_listings_cache=False, **opened.options)

    def opened(self, credentials: Credentials | None = None) -> Connection:
        return connection(self.datastore, credentials or self.credentials)

    def put(self, path: str, content: bytes = b"x") -> None:
        self.files.pipe_file(f"{self.opened().root}/{path}", content)

    def content(self, path: str) -> bytes:
        return self.files.cat_file(f"{self.opened().root}/{path}")

    def storage(self, credentials: Credentials | None = None) -> Anywhere:
        def connect(name: str) -> Connection:
            if name != "lake":
                raise not_found(f"datastore {name!r} does not exist")
            return self.opened(credentials)

        return Anywhere(connect, lambda reference: Data(path=uri(reference.name), type="uri_folder"))

    def listed(self, path: str, kind: str = "uri_folder") -> list[str]:
        return [file.name for file in self.storage().list(uri(path), kind)]

    def found(self, path: str) -> StoredFile:
        (file,) = self.storage().list(uri(path), "uri_file")
        return file

    def move(self, task: Task, credentials: Credentials | None = None) -> Result:
        """What a mover says of a task."""
        work = self.folder / "work"
        for inner in ("tasks/m0", "results", "current"):
            (work / inner).mkdir(parents=True, exist_ok=True)
        contract.write(work / "tasks" / "m0" / f"{task.id}.json", task)
        told = self.variables(credentials)
        settings = MoverSettings(
            folder=work, worker="m0", report=None, datastores=told[DATASTORES], secrets=Path(told[SECRETS])
        )
        Mover(settings, threading.Event()).run(idle_seconds=0)
        assert os.listdir(work / "tasks" / "m0") == []
        result = contract.read(contract.result_path(work, task.id, task.attempt), Result)
        assert result is not None
        return result

    def mover(self, work: Path) -> subprocess.Popen[bytes]:
        """One as the platform starts it: its credentials are in a file, and nowhere in its environment."""
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **self.variables(),
            contract.FOLDER: str(work),
            contract.WORKER: "m0",
            "PENSTOCK_REPORT": str(work / "report.json"),
        }
        assert self.credentials is not None
        assert (self.credentials.secret_access_key or "?") not in "".join(environment.values())
        return subprocess.Popen([sys.executable, "-m", "penstock.storage.mover"], env=environment)

    def variables(self, credentials: Credentials | None = None) -> dict[str, str]:
        secrets = DatastoreSecrets(self.folder / "home" / "secrets")
        secrets.put("lake", "u1", credentials or self.credentials or Credentials())
        return dict(variables({"lake": Opening("u1", self.datastore)}, secrets, {}))


def uri(path: str) -> str:
    return f"azureml://datastores/lake/paths/{path}"


def a_fetch(folder: Path, *files: StoredFile, id: str = "f1", attempt: int = 1) -> Task:
    """Of listed files to `folder`."""
    segments = tuple(
        Segment(file=File(number=n, path=str(folder / f.name), name=f.name, size=f.size, modified_ns=n * 10**9))
        for n, f in enumerate(files)
    )
    remotes = tuple(Remote(file.uri, file.version) for file in files)
    return Task(id=id, kind=contract.FETCH, attempt=attempt, segments=segments, remotes=remotes)


def a_store(folder: Path, destination: str, *, id: str = "s1", attempt: int = 1) -> Task:
    return Task(id=id, kind=contract.STORE, attempt=attempt, folder=str(folder), remotes=(Remote(destination),))
