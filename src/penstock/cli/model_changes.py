"""What `penstock model update` may say of a version that is registered. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from penstock.cli.edits import Edits, edited
from penstock.domain.errors import invalid
from penstock.domain.fields import parse
from penstock.domain.model import ModelChange, ModelVersion

_NOTHING: Mapping[str, Any] = {"description": "", "stage": "", "tags": {}, "properties": {}, "aliases": []}


def change_of(found: ModelVersion, edits: Edits, *, stage: str | None = None) -> ModelChange:
    """The change that flags make to a version. Values of tags are text, however they look; aliases may be one text.

    Raises `invalid` for fields that never change once a version is registered.
    """
    source = f"model {found.name}:{found.version}"
    present = found.model_dump(mode="json")
    wanted, texts = edited(present, edits), edited(present, replace(edits, force_string=True))
    if stage is not None:
        wanted["stage"] = stage
    differing = [name for name in {**present, **wanted} if present.get(name) != wanted.get(name)]
    fixed = [name for name in differing if name not in _NOTHING]
    if fixed:
        raise invalid(
            f"{source}: field {fixed[0]!r} cannot be changed: only {', '.join(_NOTHING)} can; versions never change, "
            f"so register another one: penstock model create --name {found.name}"
        )
    values = {name: _text(wanted.get(name), texts.get(name)) for name in differing}
    if isinstance(values.get("aliases"), str):
        values["aliases"] = values["aliases"].replace(",", " ").split()
    fields = {name: _NOTHING[name] if value is None else value for name, value in values.items()}
    return parse(ModelChange, fields, source)


def _text(value: Any, text: Any) -> Any:
    """`value`, with what is no text in it as it was written."""
    if isinstance(value, Mapping) and isinstance(text, Mapping):
        pairs, written = cast(Mapping[str, Any], value), cast(Mapping[str, Any], text)
        return {name: _text(inner, written.get(name)) for name, inner in pairs.items()}
    return text if isinstance(value, (bool, int, float)) else cast(object, value)
