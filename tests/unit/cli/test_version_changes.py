"""What may be said of a registered version, and what may not be changed."""

import pytest

from penstock.cli.edits import SEPARATOR, Edits
from penstock.cli.version_changes import change_of
from penstock.domain.environment import Environment
from penstock.domain.errors import PenstockError

FOUND = Environment(name="sk", version="1", description="first", tags={"owner": "ann", "a": "b"}, requirements=("six",))
WHY = "register another one"


def said(*sets: str, removes: list[str] | None = None) -> dict[str, object]:
    change = change_of("environment sk:1", FOUND, Edits(sets=list(sets), removes=removes), WHY)
    return change.model_dump(exclude_unset=True)


def test_description_and_tags_may_be_changed_and_values_of_tags_are_text():
    assert said("description=second", "tags.n=1", "tags.on=true") == {
        "description": "second",
        "tags": {"owner": "ann", "a": "b", "n": "1", "on": "true"},
    }


def test_what_is_removed_is_gone_and_what_is_not_named_is_not_sent():
    assert said(removes=["tags.owner"]) == {"tags": {"a": "b"}}
    assert said(removes=["description"]) == {"description": None}
    assert said() == {}
    assert said("description=first") == {}


@pytest.mark.parametrize("edit", ["image=other", "requirements.0=seven", "version=2", "properties.a=b"])
def test_what_an_environment_comes_to_never_changes(edit):
    with pytest.raises(PenstockError, match=r"environment sk:1: field .* cannot be changed, .*: register another one"):
        said(edit)


def test_tags_are_a_map():
    with pytest.raises(PenstockError, match="tags"):
        change_of("environment sk:1", FOUND, Edits(sets=["tags=none"]), WHY)
    added = change_of("environment sk:1", FOUND, Edits(adds=[f"tags{SEPARATOR}x=y"]), WHY)
    assert added.tags == {"owner": "ann", "a": "b", "x": "y"}
