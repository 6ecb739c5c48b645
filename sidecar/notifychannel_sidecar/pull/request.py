"""What an application asks at `/v1/claim` and `/v1/ack`: bytes → values, or a sentence about what to write. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MOST_HINTS = 1_000
"""Of one claim."""
LONGEST_WAIT_S = 60.0
MOST_TOKENS = 10_000
"""Of one acknowledgement."""
MOST_ERROR = 200
"""Characters of an error that are kept."""
FROM_APPLICATION = "application: "
"""What an error begins with that is no word of ours: whoever may not show such a text leaves it out."""
CLAIM_EXAMPLE = '{"channel": "jobs", "max": 10, "wait": 20}'
ACK_EXAMPLE = '{"done": ["<claim>"], "retry": [], "release": [], "extend": []}'
_LISTS = ("done", "retry", "release", "extend")
_NAMED = "done, retry, release and extend"


class BadRequestError(Exception):
    """The body can't be understood; the message names the field and says what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claiming:
    """Give me up to `most` hints of that channel, or nothing when none came within `wait_s`."""

    channel: str
    most: int = 1
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledging:
    """What became of claims, by their tokens, each once."""

    done: tuple[str, ...] = ()
    retry: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    extend: tuple[str, ...] = ()
    error: str | None = None
    """Of those to try again, as a record shows it."""


def claiming(body: bytes) -> Claiming:
    """Read the body of `/v1/claim`; raises BadRequestError and nothing else."""
    document = _document(body, ("channel", "max", "wait"), CLAIM_EXAMPLE)
    channel, most, wait_s = document.get("channel"), document.get("max", 1), document.get("wait", 0)
    if not isinstance(channel, str) or not channel:
        raise BadRequestError(f"channel: is missing or no text; write the channel's name, as in {CLAIM_EXAMPLE}")
    if not isinstance(most, int) or isinstance(most, bool) or not 1 <= most <= MOST_HINTS:
        raise BadRequestError(f"max: has to be a whole number from 1 to {MOST_HINTS}: how many hints at most")
    if not isinstance(wait_s, int | float) or isinstance(wait_s, bool) or not 0 <= wait_s <= LONGEST_WAIT_S:
        raise BadRequestError(f"wait: has to be a number of seconds from 0 to {LONGEST_WAIT_S:g}; then ask again")
    return Claiming(channel=channel, most=most, wait_s=float(wait_s))


def acknowledging(body: bytes) -> Acknowledging:
    """Read the body of `/v1/ack`; raises BadRequestError and nothing else."""
    document = _document(body, (*_LISTS, "error"), ACK_EXAMPLE)
    if not document.keys() & set(_LISTS):
        raise BadRequestError(f"the body: names none of {_NAMED}; write it as {ACK_EXAMPLE}")
    lists = {name: _tokens(document, name) for name in _LISTS}
    if sum(len(tokens) for tokens in lists.values()) > len({token for tokens in lists.values() for token in tokens}):
        raise BadRequestError(f"the body: has a claim in two of {_NAMED}; leave it in one")
    if sum(len(tokens) for tokens in lists.values()) > MOST_TOKENS:
        raise BadRequestError(f"the body: has more than {MOST_TOKENS} claims; send several")
    return Acknowledging(**lists, error=_error(document))


def _document(body: bytes, names: Collection[str], example: str) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequestError(f"the body: is not JSON; write it as {example}") from None
    if not isinstance(document, dict):
        raise BadRequestError(f"the body: has to be an object; write it as {example}")
    if strange := document.keys() - set(names):
        raise BadRequestError(f"{_shown(min(strange))}: is no field here; there are {', '.join(names)}")
    return document


def _tokens(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = document.get(name, [])
    if not isinstance(found, list) or not all(isinstance(token, str) for token in found):
        raise BadRequestError(f"{name}: has to be a list of texts: the `claim` of each")
    return tuple(dict.fromkeys(found))


def _error(document: Mapping[str, Any]) -> str | None:
    error = document.get("error")
    if error is None:
        return None
    if not isinstance(error, str):
        raise BadRequestError("error: has to be a short text; it is recorded for those in retry")
    cleaned = _shown(error)
    return f"{FROM_APPLICATION}{cleaned}" if cleaned else None


def _shown(text: str) -> str:
    """Without what would move a terminal's cursor, or can't be stored."""
    printable = "".join([letter if letter.isprintable() else " " for letter in text[: 4 * MOST_ERROR]])
    return " ".join(printable.split())[:MOST_ERROR]
