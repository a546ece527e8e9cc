"""What `penstock environment update` may say of a version that is registered. Pure."""

from typing import Any

from penstock.cli.edits import Edits, edited
from penstock.domain.environment import Environment, EnvironmentChange
from penstock.domain.errors import invalid
from penstock.domain.fields import parse

_CHANGEABLE = ("description", "tags")


def change_of(name: str, found: Environment, edits: Edits) -> EnvironmentChange:
    """The change that flags make to version `name`. Values of tags are text, however they look.

    Raises `invalid` for fields that never change once a version is registered.
    """
    present = found.model_dump(mode="json")
    wanted = edited(present, edits)
    differing = [field for field in {**present, **wanted} if present.get(field) != wanted.get(field)]
    fixed = [field for field in differing if field not in _CHANGEABLE]
    if fixed:
        raise invalid(
            f"environment {name}: field {fixed[0]!r} cannot be changed, only {' and '.join(_CHANGEABLE)} can: what a "
            "version comes to never changes, so register another one with `penstock environment create`"
        )
    fields: dict[str, Any] = {field: wanted.get(field) for field in differing}
    if isinstance(fields.get("tags"), dict):
        fields["tags"] = {tag: _text(value) for tag, value in fields["tags"].items()}
    return parse(EnvironmentChange, fields, f"environment {name}")


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value
