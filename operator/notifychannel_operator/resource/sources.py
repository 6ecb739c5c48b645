"""`spec.sources` of a document as frozen values: tables, keys and rules, and what makes no sense among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifychannel_operator.resource import grammar
from notifychannel_operator.resource.report import printable
from notifychannel_operator.resource.rules import read_rule
from notifychannel_operator.spec import KeyPart, Lookup, Source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from notifychannel_operator.resource.fields import Fields

MAX_SOURCES = 16
MAX_KEY_PARTS = 8
MAX_RULES = 8
DEFAULT = Source(schema="", table="", rules=())
MAX_KEYS = 100_000
"""Past it the work is the application's anyway: 100,000 keys are many times "look at everything"."""


def read_sources(spec: Fields) -> tuple[Source, ...]:
    """The sources, each with its key in the order of the first one's key."""
    parts = spec.children("sources", most=MAX_SOURCES)
    sources = [_source(part) for part in parts]
    seen: set[tuple[str, str]] = set()
    for part, source in zip(parts, sources, strict=True):
        if (table := (source.schema, source.table)) in seen and part.sound("schema", "table"):
            part.say("table", f"{printable(source.label)} is a source already; put the rules together")
        seen.add(table)
    if not all(part.sound("key") for part in parts):
        return tuple(sources)
    for part, source in zip(parts[1:], sources[1:], strict=True):
        _same_names(part, source, names_of(sources[0]))
    return tuple(sources)


def names_of(source: Source) -> list[str]:
    """The names of its key, in order."""
    return [part.name for part in source.key]


def _source(fields: Fields) -> Source:
    key = fields.children("key", most=MAX_KEY_PARTS)
    rules = fields.children("rules", most=MAX_RULES, remedy="write at least one rule: a name and its events")
    source = Source(
        schema=fields.text("schema", grammar.identifier, remedy='write the schema of the table, for example "public"'),
        table=fields.text("table", grammar.identifier, remedy="write the name of the table"),
        key=tuple(_key_part(part) for part in key),
        max_keys=fields.whole("maxKeys", least=1, most=MAX_KEYS, default=DEFAULT.max_keys),
        rules=tuple(read_rule(rule) for rule in rules),
    )
    _refuse_twins(key, names_of(source), "name", "names a key part already; write another name")
    _refuse_twins(rules, [rule.name for rule in source.rules], "name", "names a rule already; write another name")
    return source


def _key_part(fields: Fields) -> KeyPart:
    if fields.has("lookup") and fields.has("column"):
        fields.say("column", "can't be used with lookup; remove one of them")
    if fields.has("lookup"):
        name = fields.text("name", grammar.identifier, remedy="write the name that the looked-up value has in the key")
        return KeyPart(name=name, lookup=_lookup(fields.child("lookup")))
    remedy = "write the column's name, or a lookup" if fields.sound("lookup") else ""
    column = fields.text("column", grammar.identifier, remedy=remedy)
    return KeyPart(name=fields.text("name", grammar.identifier, default=column), column=column)


def _lookup(fields: Fields) -> Lookup:
    match = "write pairs of a column of the looked-up table and a column of the source, for example {id: tenant_id}"
    if len(pairs := fields.pairs("match", grammar.identifier, remedy=match)) > MAX_KEY_PARTS:
        fields.say("match", f"has {len(pairs)} entries; {MAX_KEY_PARTS} is the most")
    return Lookup(
        schema=fields.text("schema", grammar.identifier, remedy='write the schema of the table, for example "public"'),
        table=fields.text("table", grammar.identifier, remedy="write the name of the looked-up table"),
        column=fields.text("column", grammar.identifier, remedy="write the column whose value becomes the key part"),
        match=tuple(sorted(pairs)),  # a mapping has no order, and the hash of the rules must not see one
    )


def _same_names(fields: Fields, source: Source, wanted: list[str]) -> None:
    if names_of(source) != wanted:
        message = (
            f"has the names {_list(names_of(source))}; write the names of sources[0] in their order: {_list(wanted)}"
        )
        fields.say("key", message)


def _list(names: list[str]) -> str:
    return ", ".join(map(printable, names)) or "(none)"


def _refuse_twins(parts: Iterable[Fields], labels: list[str], name: str, complaint: str) -> None:
    seen: set[str] = set()
    for part, label in zip(parts, labels, strict=True):
        if label in seen and part.sound(name):
            part.say(name if part.has(name) else "column", f"{printable(label)} {complaint}")
        seen.add(label)
