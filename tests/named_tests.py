"""Pages whose tables name the tests that show what they say: which tests there are, and which lines name none."""

from __future__ import annotations

import functools
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


@functools.cache
def all_tests() -> frozenset[str]:
    """Every test of this repository by name, those on a cluster too."""
    texts = (path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    return frozenset(name for text in texts for name in re.findall(r"^(?:async )?def (test_\w+)\(", text, re.MULTILINE))


def named(page: str) -> list[str]:
    """The tests that a page names."""
    return sorted(set(re.findall(r"`(test_\w+)`", page)))


def lines(page: str, head: str) -> list[str]:
    """Those of the tables whose head begins with that cell."""
    tables = page.split(f"| {head} |")[1:]
    return [line for table in tables for line in table.split("\n\n")[0].splitlines()[2:]]


def untested(page: str, head: str) -> list[str]:
    """Those of them whose last cell names no test."""
    return [line for line in lines(page, head) if "`test_" not in line.rsplit("|", 2)[1]]
