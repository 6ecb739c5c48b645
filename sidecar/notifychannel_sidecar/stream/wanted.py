"""Which channels and keys one reader asks for. Pure: from the query of its request, and from a key's JSON text.

A channel whose keys have none of the names asked for is not filtered by them: rather a hint too many than one missed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KEY = "key."


class _Number(str):
    """As it was written, to be told from a string."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`channels` empty: all; `keys`: name → any of these values, as JSON or as plain text."""

    channels: frozenset[str] = frozenset()
    keys: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, query: Iterable[tuple[str, str]]) -> Self:
        """`channel=orders&channel=carts&key.tenant_id=7&key.order_id=42`; the same name twice is any of both."""
        channels: set[str] = set()
        keys: dict[str, set[str]] = {}
        for name, value in query:
            if name == "channel":
                channels.add(value)
            elif name.startswith(KEY):
                keys.setdefault(name.removeprefix(KEY), set()).add(value)
        return cls(channels=frozenset(channels), keys={name: frozenset(values) for name, values in keys.items()})

    def has_channel(self, name: str) -> bool:
        """Whether this channel is asked for."""
        return not self.channels or name in self.channels

    def has_key(self, key: str) -> bool:
        """Whether this key is; `key`: a hint's JSON object."""
        if not self.keys:
            return True
        values = forms(key)
        return all(not wanted.isdisjoint(values[name]) for name, wanted in self.keys.items() if name in values)


@lru_cache(maxsize=256)
def forms(key: str) -> Mapping[str, frozenset[str]]:
    """Name → how a person may write the value: as its JSON text, and a string also as it is."""
    found = json.loads(key, parse_int=_Number, parse_float=_Number)
    return {name: frozenset(_written(value)) for name, value in found.items()}


def _written(value: object) -> tuple[str, ...]:
    if isinstance(value, _Number):
        return (str(value),)
    if isinstance(value, str):
        return (value, json.dumps(value), json.dumps(value, ensure_ascii=False))
    return (json.dumps(value),)
