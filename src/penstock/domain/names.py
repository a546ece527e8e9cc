"""Names that users give, and the references to assets that they write."""

import re
from dataclasses import dataclass

from penstock.domain.errors import invalid

_NAME = re.compile(r"[a-zA-Z]([-_a-zA-Z0-9]*[a-zA-Z0-9])?\Z")
_ASSET = re.compile(r"[a-zA-Z0-9][-._a-zA-Z0-9]{0,254}\Z")


def check_name(kind: str, name: str) -> str:
    """`name` if endpoints and deployments may bear it, else an `invalid` error that says why not.

    Azure's rule (3 to 32 letters, digits and hyphens, a letter first), with one relaxation: underscores, which
    Azure's own samples use.
    """
    if not 3 <= len(name) <= 32:
        raise invalid(f"{kind} name {name!r} has {len(name)} characters: give 3 to 32")
    if not _NAME.match(name):
        raise invalid(
            f"{kind} name {name!r} is not valid: use ASCII letters, digits and hyphens, "
            "begin with a letter and end with a letter or digit"
        )
    return name


def check_asset_name(kind: str, name: str) -> str:
    """`name` if models and environments may bear it, else an `invalid` error."""
    if not _ASSET.match(name):
        raise invalid(
            f"{kind} name {name!r} is not valid: use up to 255 ASCII letters, digits, '-', '_' and '.', "
            "and begin with a letter or digit"
        )
    return name


@dataclass(frozen=True)
class AssetReference:
    """`azureml:NAME:VERSION` or `azureml:NAME@LABEL`; without either, the latest version is meant.

    A label is `latest` or, of a model, one of its aliases.
    """

    name: str
    version: str | None = None
    label: str | None = None

    def __str__(self) -> str:
        if self.version is not None:
            return f"azureml:{self.name}:{self.version}"
        return f"azureml:{self.name}@{self.label or 'latest'}"


def parse_asset_reference(kind: str, text: str) -> AssetReference:
    """Read an asset reference; raises `invalid` with the forms that are understood."""
    body = text.removeprefix("azureml:")
    name, colon, version = body.partition(":")
    label: str | None = None
    if not colon:
        name, _, label = body.partition("@")
    if not _ASSET.match(name) or (colon and not _ASSET.match(version)) or (label and not _is_label(kind, label)):
        alias = " or azureml:NAME@ALIAS" if kind == "model" else ""
        raise invalid(
            f"{kind} reference {text!r} is not understood: write azureml:NAME:VERSION or azureml:NAME@latest{alias}"
        )
    return AssetReference(name, version if colon else None, label or None if not colon else None)


def _is_label(kind: str, label: str) -> bool:
    return label == "latest" or (kind == "model" and _ASSET.match(label) is not None)
