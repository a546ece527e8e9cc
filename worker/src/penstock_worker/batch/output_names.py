"""What final files are called. Names of inputs come from anywhere: no name leads out of the output folder."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from itertools import count

from penstock_worker.published import OWN

REJECTS = ("rejects.jsonl", "rejects-2.jsonl")  # the second should somebody want the first for his predictions

_SUFFIXES = {"azure": ".csv", "csv": ".csv", "jsonl": ".jsonl", "parquet": ".parquet"}
_AZURES = "predictions.csv"  # the default, whatever the format
_LONGEST = 255  # bytes of a name on all usual file systems
_LONGEST_PATH = 1024  # bytes: leaves room for the folder before it
_ROOM = 40  # bytes that are kept for suffix, hash and number

_COMPRESSED = re.compile(r"(?<=.)\.(gz|bz2|zst|xz|lz4)$", re.IGNORECASE)
_EXTENSION = re.compile(r"(?<=.)\.[A-Za-z][A-Za-z0-9]{0,9}$")
_UNUSABLE = re.compile("[\0\ud800-\udc7f\udd00-\udfff]")  # NUL, and halves of characters that stand for no byte


def one_file_name(output_file_name: str, output_format: str) -> str:
    """The name of the one output file."""
    if output_file_name == _AZURES:
        return _AZURES[: -len(".csv")] + _SUFFIXES[output_format]
    return output_file_name


def part_file_name(number: int, of: int, output_format: str) -> str:
    """The name of one of `of` files of a partitioned output, which sort as they are numbered."""
    return f"part-{number:0{max(5, len(str(of - 1)))}d}{_SUFFIXES[output_format]}"


def input_file_names(name: str, output_format: str) -> Iterator[str]:
    """Paths for the output of the input file `name`, for the first that is free to be taken: without end.

    `sub/a.csv` gives `sub/a.parquet`, and should that be taken, `sub/a.csv.parquet`.
    """
    suffix = _SUFFIXES[output_format]
    *folders, last = _pieces(name)
    stem = _EXTENSION.sub("", _COMPRESSED.sub("", last))
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    if folders or stem + suffix != REJECTS[0]:
        yield "/".join((*folders, stem + suffix))
    yield "/".join((*folders, last + suffix))
    yield "/".join((*folders, f"{stem}-{digest}{suffix}"))
    # One of the folders is a file's name: at the top is room for another.
    for number in count(1):
        yield f"{stem}-{digest}-{number}{suffix}"


def _pieces(name: str) -> list[str]:
    pieces = [_piece(each) for each in name.split("/") if each not in ("", ".")] or ["_"]
    if len(os.fsencode("/".join(pieces))) > _LONGEST_PATH:
        pieces = [_shortened("_".join(pieces), name)]
    return [f"_{piece}" if piece.startswith(OWN) else piece for piece in pieces]


def _piece(text: str) -> str:
    piece = "__" if text == ".." else _UNUSABLE.sub("_", text)
    return piece if len(os.fsencode(piece)) <= _LONGEST - _ROOM else _shortened(piece, text)


def _shortened(piece: str, whole: str) -> str:
    """The beginning and the end of a piece, told from others that begin and end alike."""
    digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    data = os.fsencode(piece)
    begin, end = data[:120].decode("utf-8", "ignore"), data[-40:].decode("utf-8", "ignore")
    return f"{begin}-{digest}-{end}"
