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
    computes: tuple[Document, ...] = ()
    batch_endpoints: tuple[Document, ...] = ()
    batch_deployments: tuple[Document, ...] = ()
    batch_defaults: tuple[Document, ...] = ()  # endpoints again, as they are written, once their deployments are ready
    datastores: tuple[Document, ...] = ()
    data: tuple[Document, ...] = ()

    @property
    def documents(self) -> Sequence[Document]:
        """Each document once, as it is written."""
        endpoints = (*_whole(self.endpoints, self.traffic), *_whole(self.batch_endpoints, self.batch_defaults))
        places = (*self.datastores, *self.data)
        first = (*self.webhooks, *places, *self.environments, *self.models, *self.computes)
        sent = (*self.contracts, *self.deployments, *self.autoscales, *self.batch_deployments, *self.rollouts)
        return (*first, *endpoints, *sent)


def sequenced(documents: Iterable[Document]) -> Sequenced:
    """Order the documents; raises `invalid` for one without a name, and for two of one name.

    Webhooks come first, so that they are told of the rest. Datastores, data, environments, models and computes follow,
    then endpoints, contracts, deployments and autoscales. An endpoint some of whose deployments are among the documents
    keeps the traffic, or the default, that it has until they are ready: its own come last.
    """
    by_kind: dict[DocumentKind, list[Document]] = {kind: [] for kind in DocumentKind}
    seen: dict[tuple[DocumentKind, str], Document] = {}
    for document in documents:
        twin = seen.setdefault((document.kind, name_of(document)), document)
        if twin is not document:
            raise invalid(f"{document.kind} {name_of(document)!r} stands in {twin.source} and in {document.source}")
        by_kind[document.kind].append(document)
    deployments, endpoints = by_kind[DocumentKind.DEPLOYMENT], by_kind[DocumentKind.ENDPOINT]
    batch_deployments, batch_endpoints = by_kind[DocumentKind.BATCH_DEPLOYMENT], by_kind[DocumentKind.BATCH_ENDPOINT]
    late = _late(endpoints, deployments, _SHARES)
    late_defaults = _late(batch_endpoints, batch_deployments, _DEFAULTS)
    return Sequenced(
        environments=tuple(by_kind[DocumentKind.ENVIRONMENT]),
        models=tuple(by_kind[DocumentKind.MODEL]),
        endpoints=tuple(_without(e, _SHARES) if e in late else e for e in endpoints),
        deployments=tuple(deployments),
        traffic=tuple(late),
        contracts=tuple(by_kind[DocumentKind.CONTRACT]),
        rollouts=tuple(by_kind[DocumentKind.ROLLOUT]),
        webhooks=tuple(by_kind[DocumentKind.WEBHOOK]),
        autoscales=tuple(by_kind[DocumentKind.AUTOSCALE]),
        computes=tuple(by_kind[DocumentKind.COMPUTE]),
        batch_endpoints=tuple(_without(e, _DEFAULTS) if e in late_defaults else e for e in batch_endpoints),
        batch_deployments=tuple(batch_deployments),
        batch_defaults=tuple(late_defaults),
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
    if document.kind in (DocumentKind.DEPLOYMENT, DocumentKind.BATCH_DEPLOYMENT, DocumentKind.ROLLOUT):
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
_DEFAULTS = frozenset({"defaults"})


def _late(endpoints: Sequence[Document], deployments: Iterable[Document], fields: frozenset[str]) -> list[Document]:
    """The endpoints with one of `fields` that speak of deployments which are to be applied before."""
    owners = {deployment.text("endpoint_name") for deployment in deployments}
    return [e for e in endpoints if e.text("name") in owners and fields & e.fields.keys()]


def _without(endpoint: Document, fields: frozenset[str]) -> Document:
    return endpoint.replaced({name: value for name, value in endpoint.fields.items() if name not in fields})


def _whole(endpoints: Iterable[Document], held_back: Iterable[Document]) -> Sequence[Document]:
    by_name = {name_of(document): document for document in held_back}
    return [by_name.get(name_of(endpoint), endpoint) for endpoint in endpoints]
