"""Reads a part's SQL from the files beside it, once, at its import."""

from __future__ import annotations

from importlib.resources import files


def read(part: str, name: str) -> str:
    """The text of `<part>/sql/<name>.sql`."""
    return (files("notifychannel_sidecar") / part / "sql" / f"{name}.sql").read_text(encoding="utf-8")
