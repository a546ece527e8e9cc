"""What a mini-batch came to, as workers tell it and as the ledger keeps it."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from penstock.batch.job_queue import ATTEMPTS, mini_batch_id
from penstock.store.ledger import MiniBatch, MiniBatchState, Outcome
from penstock_worker.batch_contract import Part, Result, decoded


def outcome_of(result: Result) -> Outcome:
    """Of a mini-batch that is done."""
    return Outcome(
        id=mini_batch_id(result.id),
        state=MiniBatchState.DONE,
        attempt=result.attempt % ATTEMPTS,
        parts=json.dumps([asdict(part) for part in result.parts], separators=(",", ":")),
        rows_in=result.rows_in,
        rows_out=result.rows_out,
        rows_rejected=result.rows_rejected,
    )


def parts_of_mini_batch(mini_batch: MiniBatch) -> Sequence[Part]:
    return [decoded(item, Part) for item in json.loads(mini_batch.parts or "[]")]
