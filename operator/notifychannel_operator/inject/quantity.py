"""Amounts as Kubernetes writes them, `128Mi` or `25m`, as numbers that can be compared.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

_QUANTITY = re.compile(r"([+-]?[0-9]{1,18}(?:\.[0-9]{0,9})?)(m|u|n|[kMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?", re.ASCII)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
LEAST_MEMORY = Decimal(64 * 2**20)
"""An idle sidecar weighs 47 MiB; with less than this it would be killed at its start, again and again."""
LEAST_CPU = Decimal("0.001")


def parse(text: Any) -> Decimal | None:
    """Bytes, or cores; None where it is no quantity. JSON numbers are taken as the API server takes them."""
    if isinstance(text, bool) or not isinstance(text, (str, int, float)):
        return None
    found = _QUANTITY.fullmatch(str(text))
    if found is None:
        return None
    number, suffix = Decimal(found[1]), found[2] or ""
    if suffix in _BINARY:
        return number * Decimal(1 << _BINARY[suffix])
    return number.scaleb(_DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:]))
