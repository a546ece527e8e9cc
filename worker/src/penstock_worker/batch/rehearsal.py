"""What the first rows of a job would show of a model, shown before there is one: that MLflow need not be imported.

Two ways of calling the same unpickled model are compared. Whether they give the same is a matter of what MLflow does
around it, which the types of the columns and gaps in them decide: rows that are made up show that as well as others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock_worker.batch.fitting import MisfitError, fit
from penstock_worker.batch.proof_tables import made_up, with_gaps
from penstock_worker.logs import log
from penstock_worker.messages import BadInputError
from penstock_worker.payload import parse
from penstock_worker.proof_rows import plain_rows, proof_rows
from penstock_worker.samples import UnusableSampleError, example_body
from penstock_worker.trace import summary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock_worker.batch.batch_model import Proving
    from penstock_worker.batch.mini_batch import Tools
    from penstock_worker.signature import Signature

_LONGEST_EXAMPLE = 10 * 1024 * 1024  # bytes


def rehearse(tools: Tools, proving: Proving) -> None:
    """Try the model on its input example, or on made-up rows, until it takes some. Nothing comes of it if it does not:
    then the first rows of a job are to show it."""
    signature = tools.model.signature
    if signature is None or proving.recipe is None:
        return
    for table in _tables(signature, tools, proving):
        try:
            columns = fit(table, signature, tools.arrow_columns, tools.compute).columns
            proving.prove(tools.frames.of(columns, table.num_rows))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - nobody has promised that the model takes these rows
            log.info("the model does not take rows that it is tried on: %s", summary(error))
        else:
            return


def _tables(signature: Signature, tools: Tools, proving: Proving) -> Iterator[Any]:
    try:
        for frame in _examples(tools, proving):
            table = tools.arrow.Table.from_pandas(frame, preserve_index=False)
            yield with_gaps(table, signature, tools.arrow)
            yield table
    except (UnusableSampleError, BadInputError, MisfitError, ValueError, TypeError) as error:
        log.info("the input example is not used: %s", summary(error))
    yield from made_up(signature, tools.arrow)


def _examples(tools: Tools, proving: Proving) -> Iterator[Any]:
    """DataFrames of the input example: with rows like its own, and of these alone."""
    model = proving.loaded
    if model.example is None:
        return
    body = example_body(proving.folder, model.example, _LONGEST_EXAMPLE)
    rows = proof_rows(model.inputs, model.inputs.of(parse(body)), tools.numpy)
    for tried in (rows, plain_rows(rows)):
        if tried:
            yield model.inputs.frame(model.inputs.joined(tried))
