"""How a value prints in a key, the same for every writer: which types may stand there, and what is pinned for them.

A key is a JSON array made by concatenation. Numbers that every JSON reader holds exactly are numbers, all else is a
string of what PostgreSQL prints. Types that print by search_path, by privileges or by names that change are refused.
docs/keys.md is this file in words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from notifychannel_operator.catalog import Type

SAFE_INTEGER = 2**53 - 1
"""The largest n for which n and n + 1 are different to every JSON reader (RFC 8259, section 6)."""

PINS = {
    "timestamptz": (("DateStyle", "ISO, MDY"), ("TimeZone", "UTC")),
    "timestamp": (("DateStyle", "ISO, MDY"),),
    "date": (("DateStyle", "ISO, MDY"),),
    "timetz": (("TimeZone", "UTC"),),
    "xml": (("xmloption", "content"),),
    "interval": (("IntervalStyle", "postgres"),),
    "bytea": (("bytea_output", "hex"),),
    "money": (("lc_monetary", "C"),),
    **dict.fromkeys(
        ("float4", "float8", "point", "lseg", "path", "box", "polygon", "line", "circle"),
        (("extra_float_digits", "1"),),
    ),
}
"""Type of pg_catalog → the settings that change how it prints or how a literal of it is read."""
ALL_PINS = tuple(sorted({pin for pins in PINS.values() for pin in pins}))
NUMBERS = frozenset({"int2", "int4", "oid"})
FLOATS = frozenset({"float4", "float8"})
QUOTED = frozenset({"numeric", "uuid"})
"""They print nothing that JSON would escape."""
REFUSED = {
    "aclitem": "prints the names of roles, which change",
    **dict.fromkeys(
        ("pg_node_tree", "pg_ndistinct", "pg_dependencies", "pg_mcv_list", "gtsvector"),
        "is internal to PostgreSQL",
    ),
    **dict.fromkeys(
        ("pg_brin_bloom_summary", "pg_brin_minmax_multi_summary"),
        "is internal to PostgreSQL",
    ),
}


def refusal(type_: Type) -> str | None:
    """Why a type can't stand in a key, as the rest of a sentence about it; None when it can."""
    if type_.kind == "p":
        return "is a pseudo-type"
    if type_.kind == "c":
        return "is a composite: name its fields, as generated columns, instead"
    if type_.element is not None:
        why = refusal(type_.element)
        return why and f"is made of {type_.element.sql}, which {why}"
    if type_.schema != "pg_catalog" or type_.kind != "b":
        return None
    if type_.name.startswith("reg"):
        return "prints a name, which depends on search_path and changes"
    return REFUSED.get(type_.name)


def pins(type_: Type) -> frozenset[tuple[str, str]]:
    """The settings (name, value) under which the type prints, and reads, always the same."""
    if type_.element is not None:
        return pins(type_.element)
    if type_.kind == "c" or (type_.kind == "b" and type_.schema != "pg_catalog"):
        return frozenset(ALL_PINS)  # nobody knows what is inside
    return frozenset(PINS.get(type_.name, ())) if type_.schema == "pg_catalog" else frozenset()


def seen(type_: Type, value: str) -> str:
    """The SQL expression as DISTINCT and GROUP BY tell it apart: text where equal is not the same."""
    return value if type_.exact else as_text(type_, value)


def as_text(type_: Type, value: str) -> str:
    """SQL that prints a value, NULL for NULL, and runs nobody's code.

    Whoever owns a type can make a cast to text of it, and that would run with the installer's rights: types that are
    not PostgreSQL's own are printed by their output function, which only superusers make.
    """
    if type_.base.schema == "pg_catalog":
        return f"({value})::text"
    return f"CASE WHEN {value} IS NOT NULL THEN format('%s', {value}) END"


def printed(type_: Type, value: str) -> str:
    """SQL that gives the JSON text of a `seen` expression; 'null' for NULL."""
    return f"coalesce({_printed(type_.base, value)}, 'null')"


def _printed(base: Type, value: str) -> str:
    name = base.name if base.schema == "pg_catalog" else ""
    if name in NUMBERS:
        return f"{value}::text"
    if name == "int8":
        return (
            f"CASE WHEN {value} BETWEEN -{SAFE_INTEGER} AND {SAFE_INTEGER} THEN {value}::text "
            f"""ELSE '"' || {value}::text || '"' END"""
        )
    if name == "bool":
        return f"CASE {value} WHEN true THEN 'true' WHEN false THEN 'false' END"
    if name in FLOATS:
        # NaN is greater than every number to PostgreSQL
        return (
            f"CASE WHEN abs({value}::float8) <= {SAFE_INTEGER} THEN {value} "
            f"""ELSE '"' || {value} || '"' END"""
        )
    if name in QUOTED:
        return f"""'"' || {value}::text || '"'"""
    return f"to_json({as_text(base, value)})::text"
