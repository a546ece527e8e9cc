"""From a document to a spec that the platform understands: parsed, its folders uploaded, references in their place."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from penstock.cli.documents import Document
from penstock.cli.progress import Meter
from penstock.cli.sources import Way, inlined, local_paths, with_references
from penstock.domain.fields import parse
from penstock.domain.resource import Frozen

if TYPE_CHECKING:
    from penstock.client.client import Client

SpecT = TypeVar("SpecT", bound=Frozen)


def checked(model: type[Frozen], document: Document) -> None:
    """Raise `invalid` for what can be seen to be wrong before anything is sent."""
    _parsed(model, document)


def uploaded(client: "Client", model: type[SpecT], document: Document) -> SpecT:
    """The document as a spec, after what it refers to has been sent; faulty documents send nothing."""
    return _referenced(model, document, client)


def compared(model: type[SpecT], document: Document) -> SpecT:
    """The same spec with nothing sent: for plans."""
    return _referenced(model, document, None)


def _referenced(model: type[SpecT], document: Document, client: "Client | None") -> SpecT:
    whole = _parsed(model, document)
    references = _references(local_paths(whole), client)
    return parse(model, with_references(whole, references).fields, document.source)


def _parsed(model: type[Frozen], document: Document) -> Document:
    """The document with its small files read, known to be right but for what only the platform can tell."""
    whole = inlined(document)
    parse(model, whole.fields, document.source)
    local_paths(whole)
    return whole


def _references(paths: Mapping[Way, Path], client: "Client | None") -> dict[Way, str]:
    from penstock.artifacts.folders import pack

    references: dict[Way, str] = {}
    for way, path in paths.items():
        packed = pack(path)
        if client is not None:
            client.artifacts.upload(packed, Meter("Upload", path.name))
        references[way] = packed.reference
    return references
