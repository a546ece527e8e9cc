"""What users do with datastores, and what opens them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from penstock.control.resources import Change, Resources
from penstock.domain.data import DATA
from penstock.domain.datastore import BUILT_IN, DATASTORE, Credentials, CredentialType, Datastore, DatastoreStatus
from penstock.domain.errors import conflict, invalid
from penstock.domain.job import JOB, ended
from penstock.domain.names import check_asset_name
from penstock.domain.resource import Condition, Resource, Truth
from penstock.storage.connections import Connection, connection
from penstock.storage.openings import Opening, variables
from penstock.storage.secrets import DatastoreSecrets
from penstock.storage.uris import Below, below_datastore, data_asset

ADatastore = Resource[Datastore, DatastoreStatus]

_WHERE = ("type", "account_name", "endpoint", "protocol")  # whom credentials are shown to


class Datastores:
    """`folder` is what the built-in datastore is, `since` when the platform was started."""

    def __init__(self, resources: Resources, secrets: DatastoreSecrets, folder: Path, since: datetime) -> None:
        self._resources = resources
        self._secrets = secrets
        self._folder = folder
        self._built_in = _always_there(folder, since)

    def get(self, name: str) -> ADatastore:
        """Raises `not_found` that names the most similar one."""
        return self._built_in if name == BUILT_IN else self._resources.get(DATASTORE, name)

    def find(self, name: str) -> ADatastore | None:
        return self._built_in if name == BUILT_IN else self._resources.find(DATASTORE, name)

    def list(self) -> Sequence[ADatastore]:
        """By name, the built-in one among them."""
        return sorted((self._built_in, *self._resources.list(DATASTORE)), key=lambda each: each.name)

    def wanted(self, name: str, spec: Datastore) -> Datastore:
        """What would be kept of `spec`: its name, and which credentials it has, those that are kept already included.

        Raises `invalid` for bad names, and for a datastore that is elsewhere now and comes without credentials.
        """
        check_asset_name("datastore", name)
        if name == BUILT_IN:
            raise conflict(f"datastore {name!r} is the platform's own and stays as it is: give yours another name")
        if spec.name not in (None, name):
            raise invalid(f"datastore {name!r}: the file says name: {spec.name!r}; the two must be the same")
        kind = spec.credentials.type if spec.credentials is not None else self._kept(name, spec)
        return spec.model_copy(update={"name": name, "credentials": None, "credential_type": kind})

    def apply(
        self, name: str, spec: Datastore, *, actor: str, generation: int | None = None
    ) -> tuple[ADatastore, Change]:
        """Create or change a datastore; without credentials in `spec`, those that are kept stay. Raises as `wanted`."""
        wanted = self.wanted(name, spec)
        resource, change = self._resources.apply(DATASTORE, name, wanted, actor=actor, generation=generation)
        given = spec.credentials
        if given is None or self._secrets.get(name, resource.uid) == given:
            return resource, change
        self._secrets.put(name, resource.uid, given)
        if change is Change.CREATED:
            return resource, change
        what = "it is opened with other credentials"
        self._resources.record(
            DATASTORE.name, name, "CredentialsChanged", what, actor=actor, generation=resource.generation
        )
        return resource, Change.UPDATED

    def delete(self, name: str, *, actor: str) -> ADatastore | None:
        """Begin to delete a datastore, its credentials first; the data stays. None if there is none.

        Raises `conflict` for the built-in one, and while a data asset, or a job that is not over, refers to it.
        """
        if name == BUILT_IN:
            raise conflict(f"datastore {name!r} is the platform's own and cannot be deleted")
        user = next(self._users(name), None)
        if user is not None:
            raise conflict(f"datastore {name!r} is used by {user}")
        self._secrets.forget(name)
        return self._resources.delete(DATASTORE, name, actor=actor)

    def connection(self, name: str) -> Connection:
        """What opens it. Raises `not_found`, and `conflict` if its credentials are not kept."""
        found = self.get(name)
        if name == BUILT_IN:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return connection(found.spec, self._credentials(found))

    def mover_variables(self, uris: Iterable[str], environ: Mapping[str, str]) -> Mapping[str, str]:
        """Variables of a process that moves files from and to `uris`; no credential of a datastore is among them."""
        names = {below.datastore for uri in uris if (below := _below(uri)) is not None}
        found = [self.get(name) for name in sorted(names)]
        return variables({each.name: Opening(each.uid, each.spec) for each in found}, self._secrets, environ)

    def _kept(self, name: str, spec: Datastore) -> CredentialType | None:
        """Which credentials it has, that `spec` says nothing of."""
        before = self._resources.find(DATASTORE, name)
        if before is None or before.spec.credential_type is None or spec.anonymous:
            return None
        moved = [field for field in _WHERE if getattr(before.spec, field) != getattr(spec, field)]
        if moved:
            raise invalid(
                f"datastore {name!r} would have another {moved[0]}: give its credentials again, so that the present "
                "ones are not shown elsewhere"
            )
        return before.spec.credential_type

    def _credentials(self, datastore: ADatastore) -> Credentials | None:
        if datastore.spec.credential_type is None:
            return None
        kept = self._secrets.get(datastore.name, datastore.uid)
        if kept is None:
            raise conflict(
                f"the credentials of datastore {datastore.name!r} are not on this machine: give them again with "
                "`penstock datastore create -f FILE`"
            )
        return kept

    def _users(self, name: str) -> Iterator[str]:
        for data in self._resources.list(DATA):
            if not data.status.archived and _names(data.spec.path, name):
                yield f"data {data.name}: archive it first"
        for job in self._resources.list(JOB):
            paths = [*(each.path for each in job.spec.inputs.values()), job.spec.output_path or ""]
            if not ended(job.spec, job.status) and any(_names(path, name) for path in paths):
                yield f"job {job.name}: wait for it, or `penstock job cancel -n {job.name}`"


def _names(uri: str, datastore: str) -> bool:
    below = _below(uri)
    return below is not None and below.datastore == datastore


def _below(uri: str) -> Below | None:
    return None if data_asset(uri) is not None else below_datastore(uri)


def _always_there(folder: Path, since: datetime) -> ADatastore:
    ready = Condition(name="Ready", truth=Truth.TRUE, reason="Ready", message="it can be used", since=since)
    return Resource(
        kind=DATASTORE.name,
        name=BUILT_IN,
        uid=BUILT_IN,
        generation=1,
        version=1,
        spec=Datastore(name=BUILT_IN, type="local", path=str(folder), description="a folder of the platform's home"),
        status=DatastoreStatus(observed_generation=1, conditions=(ready,)),
        created_at=since,
        updated_at=since,
    )
