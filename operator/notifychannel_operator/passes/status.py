"""The status of a channel as the API server is to have it, and whether it has it already. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from notifychannel_operator.passes import conditions
from notifychannel_operator.passes.whereabouts import Identity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from notifychannel_operator.passes.conditions import Condition

TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """How many; finished and ending ones are none."""

    matched: int = 0
    injected: int = 0
    outdated: int = 0
    listening: int = 0
    delivering: int = 0
    stuck: int = 0
    """Their sidecars can't start or end again and again: for a metric; in the status Listening says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a pass says; `triggers` None: nobody could look, so what was said of them stays."""

    conditions: Sequence[Condition]
    database: Identity | None = None
    pods: Pods = Pods()
    triggers: tuple[int, int] | None = None


def document(before: Mapping[str, Any], said: Said, *, generation: int, now: datetime) -> dict[str, Any]:
    """The whole status; equal to `before` where there is nothing to write."""
    old_summary = before.get("summary") or {}
    triggers = old_summary.get("triggers", "0/0") if said.triggers is None else "{}/{}".format(*said.triggers)
    pods = said.pods
    made: dict[str, Any] = {
        "observedGeneration": generation,
        "conditions": conditions.merged(
            before.get("conditions") or [],
            said.conditions,
            generation=generation,
            at=now.strftime(TIME),
        ),
        "pods": {
            "matched": pods.matched,
            "injected": pods.injected,
            "outdated": pods.outdated,
            "listening": pods.listening,
            "delivering": pods.delivering,
        },
        "summary": {
            "triggers": triggers,
            "injected": f"{pods.injected}/{pods.matched}",
            "listening": f"{pods.listening}/{pods.injected}",
        },
    }
    if said.database is not None:
        made["database"] = {"systemIdentifier": said.database.system_identifier, "dbname": said.database.dbname}
    elif before.get("database"):
        made["database"] = before["database"]
    return made


def database(status: Mapping[str, Any]) -> Identity | None:
    """The database that a status names."""
    found = status.get("database") or {}
    system_identifier, dbname = found.get("systemIdentifier"), found.get("dbname")
    return Identity(system_identifier, dbname) if system_identifier and dbname else None


def ending(before: Mapping[str, Any], said: Condition, *, generation: int, now: datetime) -> dict[str, Any]:
    """The status of a channel that is being deleted: as it was, but for this one, Ready and what is none of ours."""
    ready = conditions.ready([said], is_suspended=False)
    at = now.strftime(TIME)
    old = before.get("conditions") or []
    made = conditions.merged(old, [said, ready], generation=generation, at=at)
    order = [each.value for each in conditions.Type]
    kept = [it for it in old if it.get("type") in order and it["type"] not in {said.type.value, ready.type.value}]
    return {**before, "conditions": sorted([*kept, *made], key=lambda it: order.index(it["type"]))}
