"""From a document to a spec that the platform understands: parsed, its folders uploaded, references in their place."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from penstock.cli.documents import Document
from penstock.cli.progress import Progress
from penstock.cli.sources import Way, inlined, local_paths, with_references
from penstock.domain.fields import parse
from penstock.domain.resource import Frozen

if TYPE_CHECKING:
    from penstock.client.client import Client

SpecT = TypeVar("SpecT", bound=Frozen)

_QUIET_SECONDS = 2.0  # an upload that is done by then needs no words


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
            client.artifacts.upload(packed, _Meter(path.name))
        references[way] = packed.reference
    return references


class _Meter:
    """Says how far an upload is, once it takes longer than people wait without asking."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._progress = Progress()
        self._told = _QUIET_SECONDS

    def __call__(self, sent: int, total: int) -> None:
        if self._progress.elapsed() >= self._told:
            self._progress.say(f"Upload       {self._name}: {sent / 1e6:.0f} of {total / 1e6:.0f} MB")
            self._told += _QUIET_SECONDS
