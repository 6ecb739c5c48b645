"""Quoting for the DDL that must be text: identifiers and literals, and nothing else of a user's ever enters SQL.

https://www.postgresql.org/docs/current/sql-syntax-lexical.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def ident(name: str) -> str:
    """A quoted identifier, whatever the name holds; raises ValueError for a NUL byte, which no identifier has."""
    return '"' + _without_nul(name).replace('"', '""') + '"'


def qualified(schema: str, name: str) -> str:
    """`"schema"."name"`."""
    return f"{ident(schema)}.{ident(name)}"


def literal(text: str) -> str:
    """A quoted literal that reads the same whatever `standard_conforming_strings` says."""
    quoted = "'" + _without_nul(text).replace("'", "''").replace("\\", "\\\\") + "'"
    return f"E{quoted}" if "\\" in text else quoted


def array(texts: Iterable[str]) -> str:
    """An array of quoted literals, `text[]`."""
    return f"ARRAY[{', '.join(map(literal, texts))}]::text[]"


def dollar(text: str) -> str:
    """A body between dollars, readable as it is, with a tag that it does not hold."""
    tag = "nch"
    while f"${tag}$" in text:
        tag += "_"
    return f"${tag}${_without_nul(text)}${tag}$"


def _without_nul(text: str) -> str:
    if "\0" in text:
        msg = "a NUL byte can't stand in SQL"
        raise ValueError(msg)
    return text
