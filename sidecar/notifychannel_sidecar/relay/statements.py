"""The relay's SQL, read once from the files beside this one."""

from __future__ import annotations

from functools import partial

from notifychannel_sidecar import sqlfile

_read = partial(sqlfile.read, "relay")

SETTLE_IN = _read("settle_in")
TAKE_ROLE = _read("take_role")
DRAIN = _read("drain")
DRAIN_UNLOGGED = _read("drain_unlogged")
COLLAPSE = _read("collapse")
LOWER_FLAG = _read("lower_flag")
FENCE = _read("fence")
WAITING = _read("waiting")
REPLACE = _read("replace")
BOUND = _read("bound")
DRAINED = _read("drained")
HAS_QUEUE = _read("has_queue")
LOOK_AT_CLAIMERS = _read("look_at_claimers")
END_CLAIMER = _read("end_claimer")
RECLAIM = _read("reclaim")
SET_CLOCK = _read("set_clock")
MEND_CLOCK = _read("mend_clock")
TRIM_QUEUE = _read("trim_queue")
SETTLE_RULES = _read("settle_rules")
