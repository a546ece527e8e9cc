"""Kubernetes quantities: memory as `512Mi`, `1.5Gi`, `2G`, `1000000`, CPUs as `2`, `0.5`, `500m`."""

import re

from penstock.domain.errors import invalid

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_CPUS = re.compile(r"(\d+(?:\.\d+)?)(m?)\Z")
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(k|M|G|T|Ki|Mi|Gi|Ti)?\Z")


def memory_bytes(text: str) -> int:
    """Bytes that a quantity means (Kubernetes' resource quantities); raises `invalid`."""
    match = _QUANTITY.match(text.strip())
    if match is None or float(match[1]) == 0:
        raise invalid(f"memory {text!r} is not understood: write for example 512Mi or 2Gi")
    return int(float(match[1]) * _UNITS[match[2] or ""])


def cpus(text: str) -> float:
    """CPUs that a quantity means; raises `invalid`."""
    match = _CPUS.match(text.strip())
    if match is None or float(match[1]) == 0:
        raise invalid(f"cpu {text!r} is not understood: write for example 2, 0.5 or 500m")
    return float(match[1]) / (1000 if match[2] else 1)


def gpus(text: str) -> int:
    """GPUs that a quantity means; raises `invalid`."""
    if not text.strip().isdecimal():
        raise invalid(f"nvidia.com/gpu {text!r} is not understood: write a whole number")
    return int(text)
