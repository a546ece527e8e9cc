"""What is wanted of the rows of a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock_worker.signature import Signature


@dataclass(frozen=True)
class Columns:
    """The columns that a model's signature names, with MLflow's words for their types."""

    types: Mapping[str, str]

    @classmethod
    def of(cls, signature: Signature | None) -> Columns | None:
        """None where there is no signature of named columns to go by."""
        if signature is None or signature.tensors or not signature.named:
            return None
        return cls({field.name: field.type for field in signature.fields if field.name is not None})


@dataclass(frozen=True)
class Wanted:
    """`columns` of the model, None if it has no signature; `only` these columns of the file, None: all.

    Slices are of about `slice_rows` rows.
    """

    columns: Columns | None = None
    only: frozenset[str] | None = None
    slice_rows: int = 16_384
