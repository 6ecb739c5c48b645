"""The listener's SQL, read once from the files beside this one."""

from __future__ import annotations

from functools import partial

from notifychannel_sidecar import sqlfile

_read = partial(sqlfile.read, "listener")

IDENTIFY = _read("identify")
ROUND_TRIP = _read("round_trip")
MAY_SEE_SKIPPED = _read("may_see_skipped")
SKIPPED = _read("skipped")
RULES_SINCE = _read("rules_since")
NAME_SESSION = _read("name_session")
RING = _read("ring")
MAY_LOOK = _read("may_look")
LOOK = _read("look")
