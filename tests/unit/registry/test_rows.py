"""Between MLflow's model versions and ours."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from penstock.domain.model import Lineage, ModelType, ModelVersion
from penstock.registry.rows import is_model, tags_for, version_of

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@given(
    tags=st.dictionaries(WORDS.filter(lambda key: not key.startswith("penstock.")), WORDS, max_size=3),
    properties=st.dictionaries(WORDS, WORDS, max_size=3),
    flavors=st.dictionaries(WORDS, st.dictionaries(WORDS, WORDS, max_size=2), max_size=2),
    type_=st.sampled_from(ModelType),
    archived=st.booleans(),
    commit=st.none() | WORDS,
)
def test_what_mlflow_has_no_field_for_survives_in_tags(tags, properties, flavors, type_, archived, commit):
    version = ModelVersion(
        name="fraud",
        version="3",
        path=f"artifact:{'a' * 64}/model",
        uri="models:/fraud/3",
        type=type_,
        tags=tags,
        properties=properties,
        flavors=flavors,
        lineage=Lineage(git_commit=commit),
        created_at=datetime.fromtimestamp(1000, UTC),
        created_by="ann",
        archived=archived,
    )
    assert version_of(a_row(tags_for(version))) == version


def test_a_version_that_mlflow_itself_made_needs_no_tags():
    version = version_of(
        {**a_row({}), "run_id": "r1", "source": "models:/m-1", "current_stage": "Production"}, ["champ"]
    )
    assert (version.version, version.path, version.type) == ("3", "models:/fraud/3", ModelType.MLFLOW)
    assert (version.lineage.job, version.stage, version.aliases) == ("r1", "Production", ("champ",))


def test_damaged_tags_are_passed_over():
    row = a_row({"penstock.flavors": "{", "penstock.lineage": "[1]", "penstock.type": "banana"})
    assert version_of(row).flavors == {}
    assert version_of(row).type is ModelType.CUSTOM


def test_prompts_and_broken_off_registrations_are_no_models():
    assert is_model(a_row({}))
    assert not is_model(a_row({"mlflow.prompt.is_prompt": "true"}))
    assert not is_model(a_row({"penstock.unfinished": "true"}))


def a_row(tags: dict[str, str]) -> dict[str, object]:
    pairs = [{"key": key, "value": value} for key, value in tags.items()]
    return {"name": "fraud", "version": "3", "creation_timestamp": 1_000_000, "tags": pairs, "source": ""}
