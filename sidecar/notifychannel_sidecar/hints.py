"""What travels through the sidecar: notifications as our triggers write them, and why a resync is due.

A payload of ours is a header line and one key per line, so that receiving costs two string operations:

    1 5f3a9c02 I 1767225600000000      version (1), hash of the rules (8 hex), event, statement time (16 digits,
    [7,42]                             microseconds since 1970); written without the spaces shown here
    [7,43]                             each key a JSON array in the order of the channel's key names

Event is I, U, D or T (Insert, Update, Delete, Truncate). A payload without keys is a resync (`bulk`).
JSON escapes line breaks in strings, so a line break always ends a key. Refuses to judge: who sent it is unknown,
and nothing in it is trusted beyond "look again".
"""

from __future__ import annotations

from enum import Enum

HEADER_LENGTH = 26
VERSION = "1"


class Reason(Enum):
    """Why the application is asked to look."""

    CHANGE = "change"
    START = "start"
    RECONNECT = "reconnect"
    BULK = "bulk"
    OVERFLOW = "overflow"
    RULES = "rules"
    SKIPPED = "skipped"
    POLL = "poll"


class Mode(Enum):
    """What the application is told about where its hints come from."""

    LISTENING = "Listening"
    POLLING = "Polling"


EVENTS = {"I": "insert", "U": "update", "D": "delete", "T": "truncate", "N": "notify"}
"""Letter in the header → word in the POST; N is what others NOTIFY (`Text`, `Json`)."""
