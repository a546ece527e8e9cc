"""Between MLflow's model versions and ours: what MLflow has no field for is kept in tags. Pure."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from penstock.domain.model import Lineage, ModelType, ModelVersion

PREFIX = "penstock."
TYPE, PATH, VERSION, STAGE = "penstock.type", "penstock.path", "penstock.version", "penstock.stage"
ARCHIVED, CREATED_BY = "penstock.archived", "penstock.created_by"
FLAVORS, LINEAGE, UNFINISHED = "penstock.flavors", "penstock.lineage", "penstock.unfinished"
PROPERTY = "penstock.property."
_OURS = frozenset({TYPE, PATH, VERSION, STAGE, ARCHIVED, CREATED_BY, FLAVORS, LINEAGE, UNFINISHED})
_PROMPT = "mlflow.prompt.is_prompt"  # MLflow keeps prompts among its models

Row = Mapping[str, Any]  # a model version as MLflow's REST interface gives it


def tags_of(row: Row) -> dict[str, str]:
    pairs = cast(Sequence[Mapping[str, Any]], row.get("tags") or ())
    return {str(pair["key"]): str(pair.get("value", "")) for pair in pairs}


def is_model(row: Row) -> bool:
    """False for prompts, and for versions whose registration was broken off."""
    tags = tags_of(row)
    return tags.get(_PROMPT) != "true" and UNFINISHED not in tags


def version_of(row: Row, aliases: Sequence[str] = ()) -> ModelVersion:
    """The version that `row` describes. One that MLflow's own client made has no tags of ours."""
    tags = tags_of(row)
    name, number = str(row["name"]), str(row["version"])
    return ModelVersion(
        name=name,
        version=tags.get(VERSION, number),
        path=tags.get(PATH, f"models:/{name}/{number}"),
        uri=f"models:/{name}/{number}",
        source=str(row.get("source") or ""),
        type=_type(tags.get(TYPE)),
        description=str(row.get("description") or "") or None,
        tags={key: value for key, value in tags.items() if key not in _OURS and not key.startswith(PROPERTY)},
        properties={k.removeprefix(PROPERTY): v for k, v in tags.items() if k.startswith(PROPERTY)},
        flavors=_mapping(tags.get(FLAVORS)),
        stage=tags.get(STAGE) or _stage(row),
        aliases=tuple(sorted(aliases)),
        lineage=_lineage(row, tags),
        created_at=datetime.fromtimestamp(int(row.get("creation_timestamp") or 0) / 1000, UTC),
        created_by=tags.get(CREATED_BY) or str(row.get("user_id") or "") or "mlflow",
        archived=tags.get(ARCHIVED) == "true",
    )


def tags_for(version: ModelVersion) -> dict[str, str]:
    """The tags that keep of `version` what MLflow has no field for; its own numbers need none."""
    ours: dict[str, str | None] = {
        TYPE: version.type.value,
        PATH: version.path if version.path != version.uri else None,
        VERSION: version.version if not version.version.isdecimal() else None,
        STAGE: version.stage,
        ARCHIVED: "true" if version.archived else None,
        CREATED_BY: version.created_by,
        FLAVORS: json.dumps(version.flavors, sort_keys=True) if version.flavors else None,
        LINEAGE: version.lineage.model_dump_json() if version.lineage != Lineage() else None,
        **{f"{PROPERTY}{key}": value for key, value in version.properties.items()},
    }
    return {**version.tags, **{key: value for key, value in ours.items() if value}}


def number_key(row: Row) -> int:
    return int(row["version"])


def _type(text: str | None) -> ModelType:
    try:
        return ModelType(text) if text else ModelType.MLFLOW
    except ValueError:
        return ModelType.CUSTOM


def _stage(row: Row) -> str | None:
    stage = str(row.get("current_stage") or "")
    return None if stage in ("", "None") else stage


def _lineage(row: Row, tags: Mapping[str, str]) -> Lineage:
    kept = _mapping(tags.get(LINEAGE))
    try:
        lineage = Lineage.model_validate(kept)
    except ValueError:
        lineage = Lineage()
    run = str(row.get("run_id") or "")
    return lineage.model_copy(update={"job": run}) if run and lineage.job is None else lineage


def _mapping(text: str | None) -> dict[str, Any]:
    try:
        value: object = json.loads(text) if text else {}
    except ValueError:
        return {}
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}
