"""What `penstock environment update` may say of a version that is registered. Pure."""

from penstock.cli.edits import Edits
from penstock.cli.version_changes import changed_fields
from penstock.domain.asset import AssetChange
from penstock.domain.environment import Environment
from penstock.domain.fields import parse

_WHY = "what a version comes to never changes, so register another one with `penstock environment create`"


def change_of(name: str, found: Environment, edits: Edits) -> AssetChange:
    """The change that flags make to version `name`; raises as `changed_fields`."""
    what = f"environment {name}"
    return parse(AssetChange, changed_fields(what, found, edits, _WHY), what)
