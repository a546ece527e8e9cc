"""`penstock model compile`: the same answers, faster."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli.command import command, noun
from penstock.cli.connection import connect
from penstock.cli.errand import told
from penstock.cli.flags import Name, Version
from penstock.cli.progress import Meter, Progress
from penstock.cli.show import table
from penstock.domain.errors import invalid

app = noun("")

_SUFFIXES = (".csv", ".parquet", ".jsonl")
_TIMINGS = table("call", "rows", "before_us", "after_us", "speedup")
_FACTS = ("format", "dtype", "rows", "differing", "max_difference", "tolerance", "bytes_before", "bytes_after")

_Data = Annotated[
    Path, typer.Option("--data", help="Rows to compare on: a .csv, .parquet or .jsonl file.", show_default=False)
]
_Tolerance = Annotated[
    float, typer.Option("--tolerance", min=0, max=1, help="Numbers x and y may differ by this part of max(1, |x|).")
]
_Format = Annotated[str, typer.Option("--format", help="onnx, treelite, or auto: the fastest that answers alike.")]
_Rows = Annotated[int, typer.Option("--rows", min=1, help="Compare at most so many rows.")]


@dataclass(frozen=True)
class _Subject:
    """Flags that say which version is compiled."""

    name: Name
    version: Version = None
    label: Annotated[str | None, typer.Option("--label", "-l", help="latest, or an alias.")] = None

    def wanted(self) -> str:
        """The version as the API takes it."""
        if self.version is not None and self.label is not None:
            raise invalid("give --version or --label, not both")
        alias = self.label if self.label in (None, "latest") else f"@{self.label}"
        return self.version or alias or "latest"


def _text(data: Any) -> str:
    compiled = data["compiled"]
    if compiled is None:
        return ""
    facts = "\n".join(f"{name:<15} {compiled[name]}" for name in _FACTS)
    timings = [{**t, "speedup": f"{t['before_us'] / max(t['after_us'], 0.1):.1f}x"} for t in compiled["timings"]]
    return "\n\n".join(
        [f"{'model':<15} {data['model'] or 'none registered'}\n{facts}", *([_TIMINGS(timings)] * bool(timings))]
    )


@command(
    app,
    "compile",
    example="penstock model compile -n wine --version 3 --data holdout.parquet\n"
    "penstock model compile -n wine --data holdout.csv --tolerance 1e-4 --format onnx",
    text=_text,
)
def compile_(
    *,
    subject: _Subject,
    data: _Data,
    tolerance: _Tolerance = 1e-5,
    format_: _Format = "auto",
    rows: _Rows = 100_000,
) -> Any:
    """Convert a version to ONNX or treelite, and register that as a new version if it answers alike on the data."""
    from penstock.artifacts.folders import pack
    from penstock.domain.compilation import Format

    if format_ not in list(Format):
        raise invalid(f"--format {format_!r} is not known: give auto, onnx or treelite")
    if data.suffix not in _SUFFIXES or not data.is_file():
        raise invalid(f"--data {data} is not a {', '.join(_SUFFIXES)} file that is there")
    packed = pack(Path(os.path.abspath(data)))
    with connect() as client:
        client.artifacts.upload(packed, Meter("Upload", data.name))
        begun = client.compilations.begin(
            subject.name, subject.wanted(), packed.reference, tolerance=tolerance, format_=Format(format_), rows=rows
        )
        ended = client.compilations.wait(begun, on_progress=Progress())
    return told(ended, "rows that differ most" if ended.compiled and ended.compiled.differing else "log")
