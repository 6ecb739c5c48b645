"""No pattern of the programs goes back over a long text again and again: all of them meet texts from outside."""

from __future__ import annotations

import importlib
import pkgutil
import re
import time

import pytest

import notifychannel_operator
import notifychannel_sidecar

LENGTH = 20_000
LIMIT_S = 2.0
"""Of CPU for all texts, which take milliseconds; a pattern that is quadratic takes many seconds for one of them."""
PIECES = ["a", "1", "-", ".", "a-", "a.", "1d", "1h", "[", '"', "'", "/", " ", "\\", "=", "0", "{", "_", "é", "%4"]
ENDS = ["", "!", "\n", "-", "."]


def patterns():
    """Every compiled pattern that a module keeps, by where it stands."""
    found = {}
    for package in (notifychannel_operator, notifychannel_sidecar):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                held = vars(importlib.import_module(module.name)).items()
                found |= {each: f"{module.name}.{name}" for name, each in held if isinstance(each, re.Pattern)}
    return found


PATTERNS = patterns()


@pytest.mark.parametrize("pattern", PATTERNS, ids=PATTERNS.values())
def test_no_pattern_takes_long_over_a_long_text(pattern):
    """Mutant: `_LABEL` as `([a-z0-9]+-?)*[a-z0-9]`."""
    started_s = time.thread_time()
    for piece in PIECES:
        for end in ENDS:
            text = piece * (LENGTH // len(piece)) + end
            text = text if isinstance(pattern.pattern, str) else text.encode()
            pattern.match(text)
            pattern.fullmatch(text)
            assert time.thread_time() < started_s + LIMIT_S, (piece, end)
