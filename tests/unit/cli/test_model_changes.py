"""What an update may say of a registered version."""

from datetime import UTC, datetime
from typing import Any

import pytest

from penstock.cli.edits import SEPARATOR, Edits
from penstock.cli.model_changes import change_of
from penstock.domain.errors import Code, PenstockError
from penstock.domain.model import ModelType, ModelVersion

FOUND = ModelVersion(
    name="fraud",
    version="3",
    path="artifact:x/y",
    type=ModelType.CUSTOM,
    description="old",
    tags={"owner": "ann", "year": "2025"},
    stage="Development",
    aliases=("champion",),
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    created_by="ann",
)


def changed(*sets: str, add: str = "", remove: str = "", stage: str | None = None) -> dict[str, Any]:
    edits = Edits(
        sets=list(sets),
        adds=[add.replace(" ", SEPARATOR)] if add else None,
        removes=[remove.replace(" ", SEPARATOR)] if remove else None,
    )
    return change_of(FOUND, edits, stage=stage).model_dump(exclude_unset=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed("description=new"), {"description": "new"}),
        (changed(remove="description"), {"description": ""}),
        (changed("description="), {"description": ""}),
        (changed("tags.year=2026", "tags.ok=true"), {"tags": {"owner": "ann", "year": "2026", "ok": "true"}}),
        (changed("tags.number=1.10"), {"tags": {"owner": "ann", "year": "2025", "number": "1.10"}}),
        (changed("tags.note=08"), {"tags": {"owner": "ann", "year": "2025", "note": "08"}}),
        (changed('tags={"a": "b"}'), {"tags": {"a": "b"}}),
        (changed(remove="tags.year"), {"tags": {"owner": "ann"}}),
        (changed(remove="tags"), {"tags": {}}),
        (changed("properties.size=3"), {"properties": {"size": "3"}}),
        (changed("stage=Production"), {"stage": "Production"}),
        (changed(stage="Production"), {"stage": "Production"}),
        (changed("aliases=prod,champion"), {"aliases": ("prod", "champion")}),
        (changed('aliases=["prod"]'), {"aliases": ("prod",)}),
        (changed("aliases=v2024"), {"aliases": ("v2024",)}),
        (changed("aliases="), {"aliases": ()}),
        (changed(add="aliases prod"), {"aliases": ("champion", "prod")}),
        (changed(remove="aliases 0"), {"aliases": ()}),
        (changed("tags.owner=ann", stage="Development"), {}),
    ],
)
def test_only_what_differs_is_said(change: dict[str, Any], said: dict[str, Any]) -> None:
    assert change == said


@pytest.mark.parametrize(
    ("sets", "told"),
    [
        ("path=/elsewhere", "field 'path' cannot be changed: only description, stage, tags"),
        ("flavors.sklearn=1", "field 'flavors' cannot be changed"),
        ("lineage.job=r2", "field 'lineage' cannot be changed"),
        ("descripton=x", "field 'descripton' cannot be changed"),
        ("tags=x", "tags"),
        ('tags.a={"b": 1}', "tags.a"),
    ],
)
def test_what_cannot_be_said_is_refused(sets: str, told: str) -> None:
    with pytest.raises(PenstockError) as raised:
        changed(sets)
    assert raised.value.code is Code.INVALID
    assert raised.value.message.startswith("model fraud:3: ")
    assert told in raised.value.message
