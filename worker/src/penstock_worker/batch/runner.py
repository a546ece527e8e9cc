"""What scores mini-batches: a script or a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, NamedTuple, Protocol

if TYPE_CHECKING:
    from penstock_worker.batch.part_files import PartFiles
    from penstock_worker.batch.variables import BatchVariables
    from penstock_worker.batch_contract import Order, Result, Task


class Runner(Protocol):
    def score(self, task: Task, beat: Callable[[], None]) -> Result:
        """Score a mini-batch. All parts that the result names are on disk once `Loaded.parts` were flushed.

        `beat` is called when something was done. Raises `TaskFailedError`, or what the user's code raises; then it has
        left nothing in `parts/`.
        """
        ...


class Loaded(NamedTuple):
    """`what` names the user's function in messages: `run() in score.py`.

    `parts` knows what mini-batches have come to, which is flushed before anything is told of them. `close` is called
    when no mini-batch comes any more, and may raise what the user's code raises. `rehearse` is called at a preflight,
    once all is loaded.
    """

    runner: Runner
    what: str
    parts: PartFiles
    close: Callable[[], object] = lambda: None
    rehearse: Callable[[], None] = lambda: None


def load_runner(variables: BatchVariables, order: Order) -> Loaded:
    """Load the script or model, which may take long. Raises `LoadError`."""
    if variables.entry is not None or variables.mlflow_model is None:
        from penstock_worker.batch.script_runner import load_script_runner

        return load_script_runner(variables, order)
    from penstock_worker.batch.model_runner import load_model_runner

    return load_model_runner(variables, order)
