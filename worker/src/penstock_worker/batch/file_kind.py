"""What a file holds, told by its name."""

from __future__ import annotations

from dataclasses import dataclass

from penstock_worker.batch.unreadable import unreadable

PARQUET, ARROW, DELIMITED, JSON_LINES, JSON = "parquet", "arrow", "delimited", "json lines", "json"

_KINDS = {
    "csv": DELIMITED,
    "tsv": DELIMITED,
    "jsonl": JSON_LINES,
    "ndjson": JSON_LINES,
    "json": JSON,
    "parquet": PARQUET,
    "pqt": PARQUET,
    "arrow": ARROW,
    "feather": ARROW,
    "ipc": ARROW,
}
_COMPRESSIONS = {"gz": "gzip", "bz2": "bz2", "zst": "zstd"}
_TEXTS = (DELIMITED, JSON_LINES, JSON)


@dataclass(frozen=True)
class FileKind:
    """`delimiter` stands between the fields of delimited text; `compression` is Arrow's word, empty for none."""

    content: str
    delimiter: str = ""
    compression: str = ""

    @property
    def text(self) -> bool:
        return self.content in _TEXTS


def kind_of_file(name: str) -> FileKind:
    """Raises `UnreadableError` for kinds that are not read."""
    stem, _, suffix = name.rpartition("/")[2].lower().rpartition(".")
    compression = _COMPRESSIONS.get(suffix, "") if stem else ""
    inner = stem.rpartition(".")[2] if compression and "." in stem else suffix
    content = _KINDS.get(inner) if stem else None
    if content is None or (compression and content not in _TEXTS):
        shown = f"File type {(f'{inner}.{suffix}' if inner != suffix else suffix)!r}" if stem else "A file without type"
        raise unreadable(
            f"{shown} is not supported: "
            "csv, tsv, jsonl, ndjson and json (also with .gz, .bz2 or .zst), parquet, pqt, arrow, feather and ipc are"
        )
    return FileKind(content, {"csv": ",", "tsv": "\t"}.get(inner, ""), compression)
