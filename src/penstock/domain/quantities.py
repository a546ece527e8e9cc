"""Kubernetes quantities of memory: `512Mi`, `1.5Gi`, `2G`, `1000000`."""

import re

from penstock.domain.errors import invalid

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(k|M|G|T|Ki|Mi|Gi|Ti)?\Z")


def memory_bytes(text: str) -> int:
    """Bytes that a quantity means (Kubernetes' resource quantities); raises `invalid`."""
    match = _QUANTITY.match(text.strip())
    if match is None or float(match[1]) == 0:
        raise invalid(f"memory {text!r} is not understood: write for example 512Mi or 2Gi")
    return int(float(match[1]) * _UNITS[match[2] or ""])
