"""Asking before something is deleted."""

import sys

import typer

from penstock.domain.errors import invalid


def confirm(question: str, *, yes: bool) -> None:
    """Return if the user agrees; raises `invalid` if not, or if there is nobody to ask."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise invalid("nobody is there to confirm this: add --yes")
    if not typer.confirm(question, err=True):
        raise invalid("not confirmed: nothing was done")
