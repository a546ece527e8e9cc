"""Penstock: Azure Machine Learning's endpoints on your own machines. `Client` is loaded when it is asked for."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.client.client import Client

__all__ = ["Client"]


def __getattr__(name: str) -> object:
    if name == "Client":
        from penstock.client.client import Client

        return Client
    raise AttributeError(f"module 'penstock' has no attribute {name!r}")
