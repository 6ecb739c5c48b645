"""What our objects are called in the database: pure functions of installation, namespace and name.

A PostgreSQL identifier holds 63 bytes (https://www.postgresql.org/docs/current/sql-syntax-lexical.html), and a
NOTIFY channel is shorter than NAMEDATALEN too. A readable part is cut to fit; the hash behind it keeps names apart.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_operator.spec import Capture

if TYPE_CHECKING:
    from notifychannel_operator.spec import Channel

SCHEMA = "notifychannel"
MAX_IDENTIFIER_BYTES = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose objects they are: what the marker in a function's comment says."""

    installation: str
    namespace: str
    name: str


def digest(*parts: str, length: int = 8) -> str:
    """`length` hex digits that tell these parts from any others; the parts can't run into each other."""
    joined = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.blake2b(joined.encode(), digest_size=16).hexdigest()[:length]


def pg_channel(owner: Owner) -> str:
    """The PostgreSQL channel of a resource that names none."""
    return f"nch_{_cut(owner.name, 46)}_{digest(owner.installation, owner.namespace, owner.name)}"


def function(owner: Owner, schema: str, table: str) -> str:
    """The name, without schema, of the trigger function of one source."""
    tail = digest(owner.installation, owner.namespace, owner.name, schema, table)
    return f"{_cut(owner.name, 24)}_{_cut(table, 28)}_{tail}"


def rules(channel: Channel) -> str:
    """The hash of what decides which hints a channel's sources give and how a key prints: 8 hex digits.

    It stands in every payload and in the sidecar's configuration; where the two differ the sidecar resyncs. Another
    capture gives another one, so that nobody counts on what waits in an outbox that nobody drains any more; so does the
    way through the logged outbox.
    """
    if channel.capture is Capture.NOTIFY:  # as it was before there was another one: an upgrade resyncs nobody
        return digest(repr((channel.payload, channel.sources)))
    return digest(repr((channel.payload, channel.sources)), channel.capture.value, *(["logged"] * channel.is_logged))


def _cut(text: str, size_bytes: int) -> str:
    return text.encode()[:size_bytes].decode(errors="ignore")
