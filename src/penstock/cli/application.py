"""One run of `penstock apply`: what was sent, what it waits for, what became of each document."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from penstock.cli.deploying import ready
from penstock.cli.documents import Document, DocumentKind
from penstock.cli.errors import notice
from penstock.cli.progress import Progress
from penstock.cli.sequence import Sequenced, name_of
from penstock.cli.upload import checked, uploaded
from penstock.domain.autoscale import Autoscale
from penstock.domain.contract import Contract
from penstock.domain.data import Data
from penstock.domain.datastore import Datastore
from penstock.domain.deployment import OnlineDeployment
from penstock.domain.endpoint import OnlineEndpoint
from penstock.domain.environment import Environment
from penstock.domain.errors import PenstockError
from penstock.domain.model import Model
from penstock.domain.resource import Frozen
from penstock.domain.rollout import Rollout
from penstock.domain.webhook import Webhook

if TYPE_CHECKING:
    from penstock.client.client import Client
    from penstock.client.resources import AppliedDeployment, AppliedEndpoint

_SPECS: Mapping[DocumentKind, type[Frozen]] = {
    DocumentKind.ENVIRONMENT: Environment,
    DocumentKind.MODEL: Model,
    DocumentKind.ENDPOINT: OnlineEndpoint,
    DocumentKind.DEPLOYMENT: OnlineDeployment,
    DocumentKind.CONTRACT: Contract,
    DocumentKind.ROLLOUT: Rollout,
    DocumentKind.WEBHOOK: Webhook,
    DocumentKind.AUTOSCALE: Autoscale,
    DocumentKind.DATA: Data,
    DocumentKind.DATASTORE: Datastore,
}


class Application:
    """`errors` are the failures that did not keep the rest from being applied, in the order of the documents."""

    def __init__(self, client: "Client", *, no_wait: bool) -> None:
        self.errors: list[PenstockError] = []
        self._client = client
        self._no_wait = no_wait
        self._progress = Progress()
        self._rows: dict[tuple[DocumentKind, str], dict[str, Any]] = {}
        self._failed: set[str] = set()  # endpoints with a deployment that does not serve

    def run(self, plan: Sequenced) -> None:
        """Apply all documents. Raises, with nothing changed, if one of them is faulty in itself.

        1. Webhooks, datastores, data, environments and models, then endpoints and contracts; an error here ends the
           run, as others build on them.
        2. All deployments are sent, then their autoscales, then they are waited for together; one that fails does not
           stop the others.
        3. Traffic of the endpoints all of whose deployments serve, and rollouts: these are begun, not waited for.
        """
        for document in plan.documents:
            checked(_SPECS[document.kind], document)
        for document in plan.webhooks:
            self._webhook(document)
        self._places(plan)
        for document in plan.environments:
            self._environment(document)
        for document in plan.models:
            version = self._client.models.register(uploaded(self._client, Model, document))
            self._note(document, "registered", "Succeeded", name=f"{version.name}:{version.version}")
        for document in plan.endpoints:
            self._endpoint(document)
        for document in plan.contracts:
            self._contract(document)
        self._deployments(plan.deployments, plan.autoscales)
        self._traffic(plan.traffic)
        self._rollouts(plan.rollouts)

    def rows(self) -> list[dict[str, Any]]:
        """A row per document: kind, name, change, state."""
        return list(self._rows.values())

    def _places(self, plan: Sequenced) -> None:
        for document in plan.datastores:
            made = self._client.datastores.create_or_update(uploaded(self._client, Datastore, document))
            self._note(document, made.change, made.resource.provisioning_state)
        for document in plan.data:
            kept = self._client.data.create_or_update(uploaded(self._client, Data, document))
            self._note(document, kept.change, "Succeeded", name=kept.resource.name)

    def _environment(self, document: Document) -> None:
        applied = self._client.environments.create_or_update(uploaded(self._client, Environment, document))
        self._tell(applied.notices)
        self._note(document, applied.change, "Succeeded", name=applied.resource.name)

    def _endpoint(self, document: Document) -> None:
        spec = uploaded(self._client, OnlineEndpoint, document)
        applied = self._client.online_endpoints.create_or_update(spec)
        self._tell(applied.notices)
        self._note(document, applied.change, self._awaited(applied))

    def _contract(self, document: Document) -> None:
        applied = self._client.contracts.create_or_update(uploaded(self._client, Contract, document))
        self._note(document, applied.change, applied.resource.provisioning_state)

    def _webhook(self, document: Document) -> None:
        applied = self._client.webhooks.create_or_update(uploaded(self._client, Webhook, document))
        secret = self._client.webhooks.ensure_secret(applied.resource.name)
        if secret is not None:
            notice(f"webhook {applied.resource.name!r} signs with the secret {secret} (shown this once)")
        self._note(document, applied.change, applied.resource.provisioning_state)

    def _deployments(self, documents: Iterable[Document], autoscales: Iterable[Document]) -> None:
        sent: list[tuple[Document, AppliedDeployment]] = []
        for document in documents:
            try:
                spec = uploaded(self._client, OnlineDeployment, document)
                applied = self._client.online_deployments.create_or_update(spec)
            except PenstockError as err:
                self._fail(document, "refused", err)
                continue
            self._tell(applied.notices)
            self._note(document, applied.change, applied.resource.provisioning_state)
            sent.append((document, applied))
        for document in autoscales:
            self._autoscale(document)
        for document, applied in sent if not self._no_wait else ():
            try:
                resource = ready(self._client, applied, self._progress.of(name_of(document)))
            except PenstockError as err:
                self._fail(document, applied.change, err)
            else:
                self._rows[_key(document)]["state"] = resource.provisioning_state

    def _autoscale(self, document: Document) -> None:
        try:
            applied = self._client.autoscales.create_or_update(uploaded(self._client, Autoscale, document))
        except PenstockError as err:
            self._fail(document, "refused", err)
            return
        self._tell(applied.notices)
        self._note(document, applied.change, applied.resource.provisioning_state)

    def _traffic(self, documents: Iterable[Document]) -> None:
        for document in documents:
            name = name_of(document)
            if self._no_wait or name in self._failed:
                why = "its deployments are not waited for" if self._no_wait else "a deployment of it failed"
                notice(f"traffic of endpoint {name!r} stays as it is: {why}; apply again to change it")
                continue
            applied = self._client.online_endpoints.create_or_update(uploaded(self._client, OnlineEndpoint, document))
            earlier = self._rows[_key(document)]["change"]
            change = applied.change if earlier == "unchanged" else earlier
            self._note(document, change, self._awaited(applied), what="traffic")

    def _rollouts(self, documents: Iterable[Document]) -> None:
        for document in documents:
            if document.text("endpoint_name") in self._failed:
                notice(f"rollout {name_of(document)!r} is not begun: a deployment of its endpoint failed")
                continue
            applied = self._client.rollouts.start(uploaded(self._client, Rollout, document))
            self._note(document, applied.change, applied.resource.provisioning_state)

    def _awaited(self, applied: "AppliedEndpoint") -> str:
        resource = applied.resource
        if not self._no_wait:
            resource = self._client.wait(resource.kind, resource.name, resource.generation)
        return resource.provisioning_state

    def _note(self, document: Document, change: str, state: str, *, name: str = "", what: str = "") -> None:
        name = name or name_of(document)
        self._row(document, change, state, name)
        self._progress.say(" ".join(part for part in (str(document.kind), name, what, str(change)) if part))

    def _fail(self, document: Document, change: str, error: PenstockError) -> None:
        self.errors.append(error)
        self._failed.add(document.text("endpoint_name") or "")
        self._row(document, change, "Failed", name_of(document))
        self._progress.say(f"{document.kind} {name_of(document)} failed")

    def _row(self, document: Document, change: str, state: str, name: str) -> None:
        self._rows[_key(document)] = {
            "kind": str(document.kind),
            "name": name,
            "change": str(change),
            "state": state,
            "source": document.source,
        }

    def _tell(self, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            notice(sentence)


def _key(document: Document) -> tuple[DocumentKind, str]:
    return document.kind, name_of(document)
