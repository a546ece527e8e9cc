"""One run of `penstock apply`: what was sent, what it waits for, what became of each document."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from penstock.cli.deploying import ready
from penstock.cli.documents import Document, DocumentKind
from penstock.cli.errors import notice
from penstock.cli.progress import Progress
from penstock.cli.sequence import Sequenced, name_of
from penstock.cli.upload import checked, uploaded
from penstock.domain.autoscale import Autoscale
from penstock.domain.batch_deployment import BatchDeployment
from penstock.domain.batch_endpoint import BatchEndpoint
from penstock.domain.compute import Compute
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
    from penstock.client.resources import AnyApplied, AppliedBatchDeployment, AppliedDeployment

SPECS: Mapping[DocumentKind, type[Frozen]] = {
    DocumentKind.ENVIRONMENT: Environment,
    DocumentKind.MODEL: Model,
    DocumentKind.ENDPOINT: OnlineEndpoint,
    DocumentKind.DEPLOYMENT: OnlineDeployment,
    DocumentKind.CONTRACT: Contract,
    DocumentKind.ROLLOUT: Rollout,
    DocumentKind.WEBHOOK: Webhook,
    DocumentKind.AUTOSCALE: Autoscale,
    DocumentKind.COMPUTE: Compute,
    DocumentKind.BATCH_ENDPOINT: BatchEndpoint,
    DocumentKind.BATCH_DEPLOYMENT: BatchDeployment,
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
        self._failed: set[tuple[bool, str]] = set()  # batch or not, and the endpoint: with a deployment that failed

    def run(self, plan: Sequenced) -> None:
        """Apply all documents. Raises, with nothing changed, if one of them is faulty in itself.

        1. Webhooks, datastores, data, environments, models and computes, then endpoints and contracts; an error here
           ends the run, as others build on them.
        2. All deployments are sent, then their autoscales, then they are waited for together; one that fails does not
           stop the others. Batch deployments likewise.
        3. Traffic and defaults of the endpoints all of whose deployments are ready, and rollouts: these are begun, not
           waited for.
        """
        for document in plan.documents:
            checked(SPECS[document.kind], document)
        turns: Sequence[tuple[Callable[[Document], None], Sequence[Document]]] = (
            (self._webhook, plan.webhooks),
            (self._datastore, plan.datastores),
            (self._data, plan.data),
            (self._environment, plan.environments),
            (self._model, plan.models),
            (self._compute, plan.computes),
            (self._endpoint, plan.endpoints),
            (self._batch_endpoint, plan.batch_endpoints),
            (self._contract, plan.contracts),
        )
        for write, documents in turns:
            for document in documents:
                write(document)
        self._deployments(plan.deployments, plan.autoscales)
        self._batch_deployments(plan.batch_deployments)
        self._traffic(plan.traffic)
        self._batch_defaults(plan.batch_defaults)
        self._rollouts(plan.rollouts)

    def rows(self) -> list[dict[str, Any]]:
        """A row per document: kind, name, change, state."""
        return list(self._rows.values())

    def _model(self, document: Document) -> None:
        version = self._client.models.register(uploaded(self._client, Model, document))
        self._note(document, "registered", "Succeeded", name=f"{version.name}:{version.version}")

    def _datastore(self, document: Document) -> None:
        made = self._client.datastores.create_or_update(uploaded(self._client, Datastore, document))
        self._note(document, made.change, made.resource.provisioning_state)

    def _data(self, document: Document) -> None:
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

    def _compute(self, document: Document) -> None:
        applied = self._client.computes.create_or_update(uploaded(self._client, Compute, document))
        self._tell(applied.notices)
        self._note(document, applied.change, self._awaited(applied))

    def _batch_endpoint(self, document: Document) -> None:
        applied = self._client.batch_endpoints.create_or_update(uploaded(self._client, BatchEndpoint, document))
        self._tell(applied.notices)
        self._note(document, applied.change, self._awaited(applied))

    def _batch_deployments(self, documents: Iterable[Document]) -> None:
        sent: list[tuple[Document, AppliedBatchDeployment]] = []
        for document in documents:
            try:
                spec = uploaded(self._client, BatchDeployment, document)
                applied = self._client.batch_deployments.create_or_update(spec)
            except PenstockError as err:
                self._fail(document, "refused", err)
                continue
            self._tell(applied.notices)
            self._note(document, applied.change, applied.resource.provisioning_state)
            sent.append((document, applied))
        for document, applied in sent:
            try:
                self._rows[_key(document)]["state"] = self._awaited(applied, name_of(document))
            except PenstockError as err:
                self._fail(document, applied.change, err)

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
            if self._is_held_back(document, "traffic"):
                continue
            applied = self._client.online_endpoints.create_or_update(uploaded(self._client, OnlineEndpoint, document))
            self._note_late(document, applied, "traffic")

    def _batch_defaults(self, documents: Iterable[Document]) -> None:
        for document in documents:
            if self._is_held_back(document, "default"):
                continue
            applied = self._client.batch_endpoints.create_or_update(uploaded(self._client, BatchEndpoint, document))
            self._note_late(document, applied, "default")

    def _is_held_back(self, document: Document, what: str) -> bool:
        """True, and said, if the endpoint's own deployments are not known to be ready."""
        name = name_of(document)
        if not self._no_wait and (_is_batch(document), name) not in self._failed:
            return False
        why = "its deployments are not waited for" if self._no_wait else "a deployment of it failed"
        notice(f"{what} of endpoint {name!r} stays as it is: {why}; apply again to change it")
        return True

    def _note_late(self, document: Document, applied: "AnyApplied", what: str) -> None:
        earlier = self._rows[_key(document)]["change"]
        change = applied.change if earlier == "unchanged" else earlier
        self._note(document, change, self._awaited(applied), what=what)

    def _rollouts(self, documents: Iterable[Document]) -> None:
        for document in documents:
            if (False, document.text("endpoint_name")) in self._failed:
                notice(f"rollout {name_of(document)!r} is not begun: a deployment of its endpoint failed")
                continue
            applied = self._client.rollouts.start(uploaded(self._client, Rollout, document))
            self._note(document, applied.change, applied.resource.provisioning_state)

    def _awaited(self, applied: "AnyApplied", label: str = "") -> str:
        resource = applied.resource
        if not self._no_wait:
            told = self._progress.of(label) if label else _untold
            resource = self._client.wait(resource.kind, resource.name, resource.generation, on_progress=told)
        return resource.provisioning_state

    def _note(self, document: Document, change: str, state: str, *, name: str = "", what: str = "") -> None:
        name = name or name_of(document)
        self._row(document, change, state, name)
        self._progress.say(" ".join(part for part in (str(document.kind), name, what, str(change)) if part))

    def _fail(self, document: Document, change: str, error: PenstockError) -> None:
        self.errors.append(error)
        self._failed.add((_is_batch(document), document.text("endpoint_name") or ""))
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


def _is_batch(document: Document) -> bool:
    return document.kind in (DocumentKind.BATCH_ENDPOINT, DocumentKind.BATCH_DEPLOYMENT)


def _untold(_: object) -> None:
    """Progress of what is ready at once."""


def _key(document: Document) -> tuple[DocumentKind, str]:
    return document.kind, name_of(document)
