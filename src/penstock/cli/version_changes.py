"""What may be said anew of a version that is registered: its description and tags. Pure."""

from typing import Any

from penstock.cli.edits import Edits, edited
from penstock.domain.asset import AssetChange
from penstock.domain.errors import invalid
from penstock.domain.fields import parse
from penstock.domain.resource import Frozen

_CHANGEABLE = ("description", "tags")


def change_of(what: str, found: Frozen, edits: Edits, why: str) -> AssetChange:
    """The change that flags make to version `what`. Values of tags are text, however they look.

    Raises `invalid`, which ends in `why`, for fields that never change once a version is registered.
    """
    present = found.model_dump(mode="json")
    wanted = edited(present, edits)
    differing = [field for field in {**present, **wanted} if present.get(field) != wanted.get(field)]
    fixed = [field for field in differing if field not in _CHANGEABLE]
    if fixed:
        raise invalid(f"{what}: field {fixed[0]!r} cannot be changed, only {' and '.join(_CHANGEABLE)} can: {why}")
    fields: dict[str, Any] = {field: wanted.get(field) for field in differing}
    if isinstance(fields.get("tags"), dict):
        fields["tags"] = {tag: _text(value) for tag, value in fields["tags"].items()}
    return parse(AssetChange, fields, what)


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value
