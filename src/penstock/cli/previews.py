"""What applying a document would change, and how that is written."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from penstock.cli import shapes
from penstock.cli.documents import Document, DocumentKind
from penstock.cli.errors import notice
from penstock.cli.sequence import name_of
from penstock.cli.upload import compared
from penstock.domain.errors import Code, PenstockError

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.client.client import Client
    from penstock.client.resources import Preview
    from penstock.domain.model import ModelVersion
    from penstock.domain.resource import Frozen

_SHOWN = 120  # characters of a value
_NEVER_COMPARED = frozenset(
    {"name", "version", "stage", "flavors", "type", "lineage"}
)  # of a model; the platform sets or lacks them


def previewed(client: "Client", document: Document) -> dict[str, Any]:
    """A row of the plan: what it is, what would become of it, and the fields that differ."""
    match document.kind:
        case DocumentKind.MODEL:
            return _model(client, document)
        case DocumentKind.ENVIRONMENT:
            return _environment(client, document)
        case DocumentKind.DATA:
            return _data(client, document)
        case DocumentKind.DATASTORE:
            return _datastore(client, document)
        case _:
            return _row(document, _preview(client, document))


def plan_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The plan for people: a line per resource, its differing fields below, and the sum."""
    lines: list[str] = []
    for row in rows:
        lines.append(f"{row['kind']} {row['name']}: {row['change']}")
        lines += [f"  {_difference(row['change'], each)}" for each in row["differences"]]
    counts = {c: sum(row["change"] == c for row in rows) for c in ("created", "updated", "deleted", "unchanged")}
    total = f"{counts['created']} to create, {counts['updated']} to update, {counts['unchanged']} unchanged"
    total += f", {counts['deleted']} to delete" if counts["deleted"] else ""
    return "\n".join([*lines, "", total])


def _preview(client: "Client", document: Document) -> "Preview":
    """What the platform says of a document that it can compare by itself."""
    from penstock.cli.application import SPECS

    nouns: Mapping[DocumentKind, Any] = {
        DocumentKind.ENDPOINT: client.online_endpoints,
        DocumentKind.DEPLOYMENT: client.online_deployments,
        DocumentKind.CONTRACT: client.contracts,
        DocumentKind.ROLLOUT: client.rollouts,
        DocumentKind.WEBHOOK: client.webhooks,
        DocumentKind.AUTOSCALE: client.autoscales,
        DocumentKind.COMPUTE: client.computes,
        DocumentKind.BATCH_ENDPOINT: client.batch_endpoints,
        DocumentKind.BATCH_DEPLOYMENT: client.batch_deployments,
    }
    return nouns[document.kind].preview(compared(SPECS[document.kind], document))


def _row(document: Document, preview: "Preview") -> dict[str, Any]:
    for sentence in preview.notices:
        notice(f"{document.source}: {sentence}")
    return _shown(document, preview.change, shapes.difference_lines(preview))


def _model(client: "Client", document: Document) -> dict[str, Any]:
    from penstock.domain.model import Model

    wanted = compared(Model, document)
    found = _found(lambda: client.models.get(str(wanted.name), wanted.version or "latest"))
    if found is None:
        return _shown(document, "created", _additions(wanted))
    fields = found.model_dump(mode="json")
    given = {n: v for n, v in wanted.model_dump(mode="json").items() if n in fields and n not in _NEVER_COMPARED}
    if _is_from(wanted.path, found):
        del given["path"]
    differing = [{"path": n, "old": fields[n], "new": v} for n, v in given.items() if fields[n] != v]
    return _versioned(document, wanted.version, differing)


def _is_from(path: str, found: "ModelVersion") -> bool:
    """True if `path` names the run, version or logged model that `found` was made from, as far as one can tell here."""
    return path in (found.uri, found.source) or found.lineage.job in path.split("/")


def _environment(client: "Client", document: Document) -> dict[str, Any]:
    from penstock.domain.environment import Environment

    wanted = compared(Environment, document)
    found = _found(lambda: client.environments.get(str(wanted.name), wanted.version or "latest"))
    return _registered(document, wanted, wanted.version, found)


def _datastore(client: "Client", document: Document) -> dict[str, Any]:
    from penstock.domain.datastore import Datastore

    return _row(document, client.datastores.preview(compared(Datastore, document)))


def _data(client: "Client", document: Document) -> dict[str, Any]:
    from penstock.domain.data import Data

    wanted = compared(Data, document)
    found = _found(lambda: client.data.get(str(wanted.name), wanted.version or "latest"))
    return _registered(document, wanted, wanted.version, found)


def _registered(document: Document, wanted: "Frozen", version: str | None, found: Any) -> dict[str, Any]:
    """Compared with the version of that number, or with the latest."""
    from penstock.domain.diff import differences

    if found is None:
        return _shown(document, "created", _additions(wanted))
    old = found.spec.model_copy(update={"version": version, "name": document.text("name")})
    differing = [{"path": d.path, "old": d.old, "new": d.new} for d in differences(old, wanted)]
    return _versioned(document, version, differing)


def _versioned(document: Document, version: str | None, differing: list[dict[str, Any]]) -> dict[str, Any]:
    """Versions never change: other content is a new version, or a conflict that is better seen now."""
    if differing and version is not None:
        notice(f"{document.source}: version {version} exists with other content; apply would fail: give a new version")
    change = "unchanged" if not differing else "created" if version is None else "updated"
    return _shown(document, change, differing)


def _found(get: "Callable[[], Any]") -> Any:
    try:
        return get()
    except PenstockError as err:
        if err.code is Code.NOT_FOUND:
            return None
        raise


def _additions(wanted: "Frozen") -> list[dict[str, Any]]:
    fields = wanted.model_dump(mode="json", exclude_defaults=True)
    return [{"path": path, "old": None, "new": value} for path, value in sorted(fields.items())]


def _shown(document: Document, change: str, differing: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "kind": str(document.kind),
        "name": name_of(document),
        "change": str(change),
        "differences": differing,
        "source": document.source,
    }


def _difference(change: str, difference: Mapping[str, Any]) -> str:
    path, old, new = difference["path"], difference["old"], difference["new"]
    if change == "created" and old is None:
        return f"{path}: {_value(new)}"
    return f"{path}: {_value(old)} -> {_value(new)}"


def _value(value: object) -> str:
    text = "(none)" if value is None else str(value)
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
