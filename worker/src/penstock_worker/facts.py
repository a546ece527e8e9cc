"""What the doctor wants to know of an instance: its threads, its processor time, its memory, what it serves."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

from penstock_worker.memory import resident

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock_worker.entry import Entry

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "BLIS_NUM_THREADS",
)
_LIBRARIES = ("sklearn.", "lightgbm.", "xgboost.", "catboost.")
_HOLDERS = ("sklearn_model", "lgb_model", "xgb_model", "cb_model")  # where MLflow's flavors keep the model itself
_MOST_ESTIMATORS = 5
_MOST_NESTED = 5


def facts(entry: Entry) -> dict[str, Any]:
    """All that is known, as JSON has it."""
    model = getattr(entry, "pyfunc", None)
    memory_bytes, peak_bytes = resident()
    return {
        "kind": "script" if model is None else "model",
        "batch_rows": entry.batch_rows,
        "cpu_seconds": process_time(),
        "queued_seconds": _queued_seconds(),
        "memory_bytes": memory_bytes,
        "peak_memory_bytes": peak_bytes,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "threads": _threads(),
        "thread_variables": {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
        "pools": _pools(),
        "estimators": _estimators(model),
    }


def _threads() -> int:
    """Threads of this process, those of libraries too; zero where the system does not say."""
    with suppress(OSError):
        return len(os.listdir("/proc/self/task"))
    return 0


def _queued_seconds() -> float:
    """How long the main thread, which calls run(), has waited for a core; zero where the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    return 0.0


def _pools() -> list[dict[str, Any]]:
    """The thread pools of BLAS and OpenMP, where the model has brought what can tell: nothing is imported for it."""
    control = sys.modules.get("threadpoolctl")
    if control is None:
        return []
    try:
        return [
            {"library": Path(str(pool.get("filepath", ""))).name, "threads": int(pool.get("num_threads") or 0)}
            for pool in control.threadpool_info()
        ]
    except Exception:  # noqa: BLE001 - a library of the model's, for a remark
        return []


def _estimators(pyfunc: Any) -> list[str]:
    """The classes of what predicts: of an MLflow model, or of the models that a script keeps in global variables."""
    if pyfunc is not None:
        implementation = getattr(pyfunc, "_model_impl", None)
        kept = [getattr(implementation, name, None) for name in _HOLDERS]
    else:
        kept = list(vars(sys.modules["entry_module"]).values()) if "entry_module" in sys.modules else []
    found: list[str] = []
    for value in kept:
        found += [name for name in _classes(value) if name not in found]
    return found[:_MOST_ESTIMATORS]


def _classes(value: Any) -> Iterator[str]:
    """The class of `value` if it is an estimator, and that of the one inside it which does the work."""
    for _ in range(_MOST_NESTED):
        module, name = str(value.__class__.__module__), str(value.__class__.__name__)
        if not module.startswith(_LIBRARIES) or not hasattr(value, "predict"):
            return
        yield f"{module.partition('.')[0]}.{name}"
        inner = getattr(value, "best_estimator_", None)
        steps = getattr(value, "steps", None)
        value = inner if inner is not None else steps[-1][1] if steps else None
