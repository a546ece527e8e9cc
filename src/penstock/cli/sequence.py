"""In which order documents are applied, so that each finds what it refers to. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from penstock.cli.documents import Document, DocumentKind
from penstock.domain.errors import invalid


@dataclass(frozen=True, kw_only=True)
class Sequenced:
    """Documents by turn. `traffic` holds endpoints again, as they are written, once their deployments serve."""

    environments: tuple[Document, ...]
    models: tuple[Document, ...]
    endpoints: tuple[Document, ...]
    deployments: tuple[Document, ...]
    traffic: tuple[Document, ...]
    contracts: tuple[Document, ...] = ()
    rollouts: tuple[Document, ...] = ()
    webhooks: tuple[Document, ...] = ()
    autoscales: tuple[Document, ...] = ()
    datastores: tuple[Document, ...] = ()
    data: tuple[Document, ...] = ()

    @property
    def documents(self) -> Sequence[Document]:
        """Each document once, as it is written."""
        held_back = {name_of(document): document for document in self.traffic}
        endpoints = (held_back.get(name_of(endpoint), endpoint) for endpoint in self.endpoints)
        first = (*self.webhooks, *self.datastores, *self.data, *self.environments, *self.models)
        sent = (*self.contracts, *self.deployments, *self.autoscales, *self.rollouts)
        return (*first, *endpoints, *sent)


def sequenced(documents: Iterable[Document]) -> Sequenced:
    """Order the documents; raises `invalid` for one without a name, and for two of one name.

    Webhooks come first, so that they are told of the rest. Datastores, data, environments and models follow, then
    endpoints, contracts, deployments and autoscales. An endpoint some of whose deployments are among the documents keeps
    the traffic that it has until they serve: its shares come last.
    """
    by_kind: dict[DocumentKind, list[Document]] = {kind: [] for kind in DocumentKind}
    seen: dict[tuple[DocumentKind, str], Document] = {}
    for document in documents:
        twin = seen.setdefault((document.kind, name_of(document)), document)
        if twin is not document:
            raise invalid(f"{document.kind} {name_of(document)!r} stands in {twin.source} and in {document.source}")
        by_kind[document.kind].append(document)
    deployments = by_kind[DocumentKind.DEPLOYMENT]
    owners = {document.text("endpoint_name") for document in deployments}
    endpoints = by_kind[DocumentKind.ENDPOINT]
    late = [e for e in endpoints if e.text("name") in owners and _SHARES & e.fields.keys()]
    return Sequenced(
        environments=tuple(by_kind[DocumentKind.ENVIRONMENT]),
        models=tuple(by_kind[DocumentKind.MODEL]),
        endpoints=tuple(_without_traffic(e) if e in late else e for e in endpoints),
        deployments=tuple(deployments),
        traffic=tuple(late),
        contracts=tuple(by_kind[DocumentKind.CONTRACT]),
        rollouts=tuple(by_kind[DocumentKind.ROLLOUT]),
        webhooks=tuple(by_kind[DocumentKind.WEBHOOK]),
        autoscales=tuple(by_kind[DocumentKind.AUTOSCALE]),
        datastores=tuple(by_kind[DocumentKind.DATASTORE]),
        data=tuple(by_kind[DocumentKind.DATA]),
    )


def name_of(document: Document) -> str:
    """How results name it: `fraud`, `fraud/blue`, `sklearn:1`; raises `invalid` where the name is missing."""
    if document.kind is DocumentKind.AUTOSCALE:
        return "/".join(target_of(document))
    name = document.text("name")
    if document.kind is DocumentKind.ROLLOUT:
        name = name or document.text("to")
    if name is None:
        raise invalid(f"{document.source}: this {document.kind} has no name: give `name`")
    if document.kind in (DocumentKind.DEPLOYMENT, DocumentKind.ROLLOUT):
        owner = document.text("endpoint_name")
        if owner is None:
            raise invalid(f"{document.source}: {document.kind} {name!r} has no endpoint: give `endpoint_name`")
        return f"{owner}/{name}"
    version = document.fields.get("version")
    return name if version is None or document.kind is DocumentKind.ENDPOINT else f"{name}:{version}"


def target_of(document: Document) -> tuple[str, str]:
    """Endpoint and deployment of an autoscale; raises `invalid` where the document does not say them."""
    from penstock.domain.autoscale import Autoscale
    from penstock.domain.fields import parse

    spec = parse(Autoscale, document.fields, document.source)
    if spec.endpoint_name is None or spec.deployment_name is None:
        raise invalid(
            f"{document.source}: this autoscale does not say whose it is: give endpoint_name and deployment_name"
        )
    return spec.endpoint_name, spec.deployment_name


_SHARES = frozenset({"traffic", "mirror_traffic"})


def _without_traffic(endpoint: Document) -> Document:
    return endpoint.replaced({field: value for field, value in endpoint.fields.items() if field not in _SHARES})
