"""The claimers' SQL, read once from the files beside this one."""

from __future__ import annotations

from functools import partial

from notifychannel_sidecar import sqlfile

_read = partial(sqlfile.read, "durable")

SETTLE_IN = _read("settle_in")
ENTER = _read("enter")
TURN = _read("turn")
BEAT = _read("beat")
WANT_RESYNC = _read("want_resync")
BOUND = _read("bound")
LOOK = _read("look")
ESCALATIONS = _read("escalations")
ESCALATED = _read("escalated")
LEAVE = _read("leave")
