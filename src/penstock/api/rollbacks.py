"""Rollbacks over HTTP."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from penstock.api.services import Actor, JsonBody, Platform
from penstock.api.shapes import difference_rows
from penstock.control.resources import Edit
from penstock.domain.fields import parse
from penstock.domain.rollback import RollbackRequest

router = APIRouter(tags=["rollbacks"])


class Change(BaseModel):
    """One resource: what becomes of it, and the generation that it then has (0 in a dry run)."""

    kind: str
    name: str
    change: str
    generation: int
    differences: list[dict[str, Any]]


class Done(BaseModel):
    """`awaited` are deployments that do not serve yet: their traffic goes back with the same rollback, once they do."""

    changes: list[Change]
    message: str
    awaited: list[str]


@router.post("/rollbacks")
def roll_back(platform: Platform, actor: Actor, body: JsonBody) -> Done:
    """Go back, as one change; a dry run only says what would change. Repeating it changes nothing."""
    done = platform.rollbacks.roll_back(parse(RollbackRequest, body, "rollback"), actor=actor)
    generations = [resource.generation for resource in done.written] or [0] * len(done.edits)
    changes = [_change(edit, generation) for edit, generation in zip(done.edits, generations, strict=True)]
    return Done(changes=changes, message=done.message, awaited=list(done.awaited))


def _change(edit: Edit, generation: int) -> Change:
    change = "deleted" if edit.spec is None else "created" if edit.present is None else "updated"
    before = edit.present.spec if edit.present is not None else None
    rows = difference_rows(before, edit.spec) if edit.spec is not None else []
    return Change(kind=edit.kind.name, name=edit.name, change=change, generation=generation, differences=rows)
