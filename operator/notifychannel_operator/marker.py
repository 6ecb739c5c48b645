"""The marker in `COMMENT ON FUNCTION`: whose trigger function it is, for which table, and the hash of the wanted state.

Whoever may change a function may change its comment, so a marker is a label for removal and repair, not a proof.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from notifychannel_operator.names import Owner

VERSION = 1
FIELDS = ("installation", "namespace", "name", "hash")


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """What one comment of ours says."""

    owner: Owner
    schema: str
    table: str
    """The source's, as written in the resource: the table may be called otherwise by now."""
    hash: str


def text(owner: Owner, schema: str, table: str, hash: str) -> str:  # noqa: A002
    """The comment of a source's trigger function; ASCII, so that it survives any database encoding."""
    return json.dumps(
        {
            "notifychannel": VERSION,
            "installation": owner.installation,
            "namespace": owner.namespace,
            "name": owner.name,
            "source": [schema, table],
            "hash": hash,
        }
    )


def whose(owner: Owner) -> str:
    """What stands in the comments of all that have this namespace and name, in whichever installation."""
    return json.dumps({"namespace": owner.namespace, "name": owner.name})[1:-1] + ","


def parse(comment: str | None) -> Marker | None:
    """The marker of a comment, or None when somebody else wrote it or changed it past recognition."""
    try:
        said = json.loads(comment or "")
    except ValueError:
        return None
    if not isinstance(said, dict) or said.get("notifychannel") != VERSION:
        return None
    source = said.get("source")
    values = (*(source if isinstance(source, list) else ()), *(said.get(field) for field in FIELDS))
    if len(values) != len(FIELDS) + 2 or not all(isinstance(value, str) for value in values):
        return None
    schema, table, installation, namespace, name, wanted = values
    owner = Owner(installation=installation, namespace=namespace, name=name)
    return Marker(owner=owner, schema=schema, table=table, hash=wanted)
