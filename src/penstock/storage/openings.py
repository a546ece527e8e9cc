"""What a process that moves files opens datastores with: which there are, from a variable; credentials, from files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.domain.datastore import Datastore
from penstock.domain.errors import not_found
from penstock.domain.fields import parse
from penstock.storage.connections import Connection, connection
from penstock.storage.secrets import DatastoreSecrets

DATASTORES, SECRETS = "PENSTOCK_BATCH_DATASTORES", "PENSTOCK_BATCH_SECRETS"

# What drivers read of their process's environment: credentials of the platform's user, certificates, proxies.
_AMBIENT = ("AWS_", "AZURE_", "GOOGLE_", "GCLOUD_", "FSSPEC_", "MSI_", "IDENTITY_")
_PROXIES = frozenset({"http_proxy", "https_proxy", "no_proxy", "all_proxy", "ssl_cert_file", "requests_ca_bundle"})


@dataclass(frozen=True)
class Opening:
    """A datastore, and the `uid` that its credentials are kept under."""

    uid: str
    datastore: Datastore


def variables(
    openings: Mapping[str, Opening], secrets: DatastoreSecrets, environ: Mapping[str, str]
) -> Mapping[str, str]:
    """The variables of such a process. No credential of a datastore is among them; what `environ` holds of the
    platform's own is."""
    told = {name: {"uid": each.uid, "spec": each.datastore.model_dump(mode="json")} for name, each in openings.items()}
    ambient = {n: v for n, v in environ.items() if n.startswith(_AMBIENT) or n.lower() in _PROXIES or n == "HOME"}
    return {**ambient, DATASTORES: json.dumps(told), SECRETS: str(secrets.folder)}


class Openings:
    """The same at the other end: connections by the name of the datastore."""

    def __init__(self, told: str, secrets: Path) -> None:
        entries: dict[str, Any] = json.loads(told)
        self._openings = {
            name: Opening(str(entry["uid"]), parse(Datastore, entry["spec"], f"datastore {name!r}"))
            for name, entry in entries.items()
        }
        self._secrets = DatastoreSecrets(secrets)

    def connection(self, name: str) -> Connection:
        """Raises `not_found` for a datastore that the process was not told of."""
        opening = self._openings.get(name)
        if opening is None:
            raise not_found(f"datastore {name!r} is none of this job's")
        return connection(opening.datastore, self._secrets.get(name, opening.uid))
