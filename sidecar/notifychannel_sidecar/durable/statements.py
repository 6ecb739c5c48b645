"""The claimers' SQL, read once from the files beside this one."""

from __future__ import annotations

from importlib.resources import files

_FOLDER = files("notifychannel_sidecar") / "durable" / "sql"


def _read(name: str) -> str:
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


SETTLE_IN = _read("settle_in")
ENTER = _read("enter")
TURN = _read("turn")
BEAT = _read("beat")
WANT_RESYNC = _read("want_resync")
LOOK = _read("look")
ESCALATIONS = _read("escalations")
ESCALATED = _read("escalated")
LEAVE = _read("leave")
