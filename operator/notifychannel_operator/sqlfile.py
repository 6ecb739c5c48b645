"""Reads the SQL that stands in files: `read("observe/tables.sql")`. Refuses to fill anything in."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def read(name: str) -> str:
    """The text of a packaged file, its path relative to `sql/`; raises FileNotFoundError."""
    return (files("notifychannel_operator") / "sql" / name).read_text(encoding="utf-8")
