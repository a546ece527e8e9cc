"""Where users say that a model is: runs, registered versions, logged models, outputs of jobs. Pure."""

import re
from dataclasses import dataclass

from penstock.domain.errors import invalid

_RUN = re.compile(r"runs:/+([\w-]{1,64})/(.+)")
_JOB = re.compile(r"azureml://(?:.+/)?jobs/([\w-]{1,64})/outputs/artifacts/(?:paths/)?(.+)")
_LOGGED = re.compile(r"models:/(m-[0-9a-fA-F]{8,64})/?")
_REGISTERED = re.compile(r"models:/([^/@:]{1,255})(?:/([^/@]{1,100})|@([\w-]{1,255}))?")
_BAD = re.compile(r"[\x00-\x1f\\]|(?:^|/)\.\.?(?:/|$)")


@dataclass(frozen=True)
class RunOutput:
    """What a run has logged at `path`."""

    run: str
    path: str


@dataclass(frozen=True)
class LoggedModel:
    model_id: str


@dataclass(frozen=True)
class Registered:
    """A registered version; without `version` and `alias` the latest."""

    name: str
    version: str | None = None
    alias: str | None = None


Place = RunOutput | LoggedModel | Registered


def parse_place(text: str) -> Place:
    """The place that `text` names. Raises `invalid` with the forms that are understood."""
    if (match := _RUN.fullmatch(text) or _JOB.fullmatch(text)) and not _BAD.search(match[2].rstrip("/")):
        return RunOutput(match[1], match[2].rstrip("/"))
    if match := _LOGGED.fullmatch(text):
        return LoggedModel(match[1])
    if match := _REGISTERED.fullmatch(text):
        name, version, alias = match.groups()
        return Registered(name, None if version == "latest" else version, alias)
    raise invalid(
        f"model path {text[:200]!r} is not understood: give a local path, runs:/RUN/PATH, models:/NAME/VERSION, "
        "models:/NAME@ALIAS, models:/m-ID or azureml://jobs/RUN/outputs/artifacts/paths/PATH"
    )
