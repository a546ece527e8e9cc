"""Images as models with tensors take them: one array for each file."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock_worker.batch.unreadable import misread, unreadable

if TYPE_CHECKING:
    from penstock_worker.signature import Signature

SUFFIXES = (".png", ".jpg", ".jpeg", ".tiff", ".bmp", ".gif")  # Azure's


def is_image(path: str) -> bool:
    return Path(path).suffix.lower() in SUFFIXES


def read_image(path: str, signature: Signature | None, numpy: Any) -> Any:
    """The array of the image at `path`: of the signature's type, with an axis for one row if it has one for rows.

    Without a signature, as it is in the file (mostly bytes of shape height, width, channels). Raises `UnreadableError`.
    """
    try:
        image = importlib.import_module("PIL.Image")
    except ImportError as error:
        raise unreadable("images need the package pillow in the environment") from error
    try:
        with image.open(path) as opened:
            array = numpy.array(opened)
    except Exception as error:  # decoders raise what they like
        raise misread(f"it is no image that can be read: {error}", Path(path).name, error) from error
    field = None if signature is None or not signature.tensors else signature.fields[0]
    if field is None:
        return array
    array = array.astype(field.type, copy=False)
    if array.ndim == len(field.shape) - 2:
        array = array[..., None]  # of one channel
    return array[None] if array.ndim == len(field.shape) - 1 else array
