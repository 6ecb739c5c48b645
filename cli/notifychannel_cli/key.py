"""A key as a person writes it, `{"order_id": 42}` or `[42]`, as the text that payloads and the queue have."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REMEDY = "write it as a POST has it, '{\"order_id\": 42}', or only the values, '[42]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Values in order, or by name; one of the two."""

    values: tuple[object, ...] | None = None
    by_name: Mapping[str, object] | None = None

    def printed(self, names: Sequence[str] | None) -> str | None:
        """As PostgreSQL prints it for a channel with these key names; None where they are other ones.

        Values in order are believed where the names are unknown (None); values by name can't be put in order then.
        """
        values = self.values
        if self.by_name is not None:
            if names is None or set(names) != set(self.by_name):
                return None
            values = tuple(self.by_name[name] for name in names)
        if values is None or (names is not None and len(values) != len(names)):
            return None
        return f"[{','.join(map(_printed, values))}]"

    @property
    def by(self) -> str:
        """What was given, without the values."""
        if self.by_name is not None:
            return f"the names {', '.join(self.by_name)}"
        return f"{len(self.values or ())} values"


class KeyParameter(click.ParamType[Key]):
    """`--key`; raises UsageError with what to write instead."""

    name = "key"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Key:
        """From JSON: an object or an array of strings, numbers, true, false and null."""
        if isinstance(value, Key):
            return value
        try:
            found = json.loads(str(value), parse_float=Decimal)
        except ValueError:
            self.fail(f"it is no JSON; {REMEDY}", param, ctx)
        parts = list(found.values()) if isinstance(found, dict) else found
        if not isinstance(parts, list) or not parts or any(isinstance(each, dict | list) for each in parts):
            self.fail(f"it is no key; {REMEDY}", param, ctx)
        return Key(by_name=found) if isinstance(found, dict) else Key(values=tuple(parts))


def _printed(value: object) -> str:
    """One part as `to_json` prints it: nothing is escaped that JSON lets stand."""
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)
