"""Which records are kept: decided by their correlation ids alone, so that inputs and outputs join."""

from __future__ import annotations

import zlib

_WHOLE = 1 << 32
_SPREAD = 0x9E3779B1  # an odd number without a pattern: ids that differ in their last digit get far apart


def sampled(correlation: bytes, rate: float) -> bool:
    """True for a share of `rate` of all ids, always the same ones; a higher rate keeps all that a lower one keeps."""
    if rate >= 1 or rate <= 0:
        return rate > 0
    mixed = (zlib.crc32(correlation) * _SPREAD) % _WHOLE
    mixed = ((mixed ^ mixed >> 15) * _SPREAD) % _WHOLE
    return (mixed ^ mixed >> 16) < rate * _WHOLE
