"""What channels say of themselves, and the shape of their Secrets: labels and names of keys, never a value. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from notifychannel_cli.doctor.consequence import UNSEEN
from notifychannel_cli.doctor.finding import Trouble, Unseen
from notifychannel_operator.passes.conditions import Reason, Type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ALLOW = "notifychannel.io/allow"
"""The label without which the operator reads no data; the same as in passes/secret.py."""
SINGLE = ("host", "user", "dbname")
"""Keys of a Secret without `uri`; CloudNativePG writes `username`, which is as good as `user`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A Secret: None where there is none."""

    labels: Mapping[str, str] | None
    keys: frozenset[str] = frozenset()
    """Names of those that hold anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A channel's, as the person may see it."""

    namespace: str
    channel: str
    name: str
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A channel, and what else was found that its conditions follow from."""

    body: Mapping[str, Any]
    causes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """As `consequence.py` finds them: type or reason of a condition → ids of the checks that say why."""


def conditions(seen: Sequence[Stated]) -> Iterator[Trouble | Unseen]:
    """Each condition that is False, with what it says; and channels that no pass has looked at. Ready repeats
    another, but for one that is Unknown.
    What follows from something that was found is judged where that is.
    """
    for it in seen:
        metadata, status = it.body["metadata"], it.body.get("status") or {}
        if status.get("observedGeneration") != metadata.get("generation"):
            yield _said(it, "no pass has looked at it since it was changed", UNSEEN)
        false = [each for each in status.get("conditions") or [] if each.get("status") == "False"]
        only_ready = [each.get("type") for each in false] == [Type.READY.value]
        for number, each in enumerate(false):
            is_repetition = each.get("type") == Type.READY.value and not only_ready
            if not is_repetition and not (number and _waits(each)):
                type_, reason = str(each.get("type")), str(each.get("reason"))
                yield _said(it, f"{type_}: {reason}\n{each.get('message') or ''}".rstrip(), reason, type_)


def _waits(condition: Mapping[str, Any]) -> bool:
    """Nothing was installed for the sake of a condition before this one."""
    return (condition.get("type"), condition.get("reason")) == (Type.TRIGGERS_INSTALLED.value, Reason.PENDING.value)


def _said(it: Stated, why: str, *names: str) -> Trouble | Unseen:
    """`names`: under which a cause would be known."""
    namespace, name = it.body["metadata"]["namespace"], it.body["metadata"]["name"]
    about = f"{namespace}/{name}"
    found = [cause for name in names for cause in it.causes.get(name, ())]
    if found:
        return Unseen(about=about, why=f"{why}\nIt follows: mend {', '.join(found)} first")
    return Trouble(about=about, why=why, remedy=(f"kubectl -n {namespace} describe nch {name}",))


def secrets(seen: Sequence[Secret]) -> Iterator[Trouble]:
    """Missing, without the label that lets it be read, or without a way to a database."""
    for it in seen:
        about, where = f"{it.namespace}/{it.channel}", f"kubectl -n {it.namespace}"
        if it.shape.labels is None:
            make = f"{where} create secret generic {it.name} --from-literal=uri=postgresql://USER:PASSWORD@HOST/DBNAME"
            label = f"{where} label secret {it.name} {ALLOW}=true"
            yield Trouble(about=about, why=f"there is no Secret {it.name}", remedy=(make, label))
            continue
        if it.shape.labels.get(ALLOW) != "true":
            yield Trouble(
                about=about,
                why=f"the Secret {it.name} does not carry the label that lets the operator read it",
                remedy=(f"{where} label secret {it.name} {ALLOW}=true",),
            )
        lacking = _lacking(it.shape.keys)
        if lacking:
            patch = f'{where} patch secret {it.name} -p \'{{"stringData": {{"uri": "postgresql://…"}}}}\''
            why = f"the Secret {it.name} has neither the key uri nor {', '.join(lacking)}"
            yield Trouble(about=about, why=why, remedy=(patch,))


def _lacking(keys: frozenset[str]) -> list[str]:
    if "uri" in keys:
        return []
    there = set(keys)
    if keys & {"user", "username"}:
        there |= {"user", "dbname"}  # as libpq: the database is called like the user
    return [key for key in SINGLE if key not in there]
