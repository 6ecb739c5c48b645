"""What channels say of themselves, and the shape of their Secrets: labels and names of keys, never a value. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from notifychannel_cli.doctor.finding import Trouble

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


def conditions(seen: Sequence[Mapping[str, Any]]) -> Iterator[Trouble]:
    """Each condition that is False, with what it says; and channels that no pass has looked at."""
    for body in seen:
        metadata, status = body["metadata"], body.get("status") or {}
        namespace, name = metadata["namespace"], metadata["name"]
        about, remedy = f"{namespace}/{name}", (f"kubectl -n {namespace} describe nch {name}",)
        if status.get("observedGeneration") != metadata.get("generation"):
            yield Trouble(about=about, why="no pass has looked at it since it was changed", remedy=remedy)
        for it in status.get("conditions") or []:
            if it.get("status") == "False" and it.get("type") != "Ready":
                said = it.get("message") or ""
                yield Trouble(about=about, why=f"{it.get('type')}: {it.get('reason')}: {said}", remedy=remedy)


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
