"""Reads the SQL that stands in files, and fills `%{name}` in templates: `read("observe/tables.sql")`.

What is filled in is SQL already: made of constants and of what `quote.py` has quoted.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from string import Template


@cache
def read(name: str) -> str:
    """The text of a packaged file, its path relative to `sql/`; raises FileNotFoundError."""
    return (files("notifychannel_operator") / "sql" / name).read_text(encoding="utf-8")


def body(name: str) -> str:
    """The file without the header that tells a person how to run it, for use within another script."""
    _, _, statements = read(name).partition("\n\n")
    return statements.strip()


def fill(name: str, /, **parts: str) -> str:
    """The text of a template without its last line break; raises KeyError when a part is missing."""
    return _Template(read(name)).substitute(parts).removesuffix("\n")


class _Template(Template):
    """Each part is put in once: what it brings along is never read as a template again."""

    delimiter = "%"
