"""One comparison of `when` as SQL that is never NULL. Values are literals of the column's type, cast and quoted here.

Operators are found by the pinned search_path, so only pg_catalog's are used; a type from elsewhere (an enum, citext)
compares inside an array, by the arrays' functions, where PostgreSQL takes the type's own default operators: `=` would
take `text = text` once the type's owner has made an implicit cast, and run that with the installer's rights. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from notifychannel_operator.quote import literal
from notifychannel_operator.spec import Operator
from notifychannel_operator.triggers import keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from notifychannel_operator.catalog import Type
    from notifychannel_operator.spec import Condition

ORDERED = frozenset({Operator.GREATER_THAN, Operator.LESS_THAN})


def holds(condition: Condition, type_: Type, value: str) -> str:
    """SQL that is true or false, never NULL, for the SQL expression `value` of that type."""
    base = type_.base
    match condition.operator:
        case Operator.IN | Operator.EQUALS:
            return _any_equal(condition, base, value)
        case Operator.NOT_IN | Operator.NOT_EQUALS:
            return f"NOT {_any_equal(condition, base, value)}"
        case Operator.IS_NULL:
            return f"({value} IS NULL)"
        case Operator.IS_NOT_NULL:
            return f"(NOT ({value} IS NULL))"
        case Operator.GREATER_THAN:
            return f"({value} IS NOT NULL AND {_compared(base, value, '>', condition.values[0])})"
        case Operator.LESS_THAN:
            return f"({value} IS NOT NULL AND {_compared(base, value, '<', condition.values[0])})"
        case _:
            assert_never(condition.operator)


def problem(condition: Condition, type_: Type) -> str | None:
    """Why this comparison makes no sense for the type, as a sentence; None when it does."""
    if condition.operator in ORDERED and not type_.base.ordering:
        return f"{condition.operator.value} needs an order, and the type {type_.sql} has none: use In or NotIn"
    if type_.base.kind in "pc" and condition.values:
        return f"the type {type_.sql} can't be compared with a value: use IsNull or IsNotNull"
    if condition.values and _holds_domain(type_.base):
        return (
            f"the type {type_.sql} is made of a domain, whose CHECK would run with the installer's rights when a value "
            "is read: use IsNull or IsNotNull"
        )
    return None


def literals(condition: Condition, type_: Type) -> Iterator[tuple[str, str]]:
    """Pairs (SQL of the type, value) that the body will cast; a database can say beforehand whether they can be."""
    for value in () if _holds_domain(type_.base) else condition.values:
        yield type_.base.sql, value


def _holds_domain(base: Type) -> bool:
    """To read a literal of an array or a range is to read its elements, and a domain's CHECK is its owner's code."""
    inner = base.element
    return inner is not None and (inner.kind == "d" or _holds_domain(inner))


def _any_equal(condition: Condition, base: Type, value: str) -> str:
    either = " OR ".join(_compared(base, value, "=", wanted) for wanted in condition.values)
    return f"coalesce({either}, false)"


def _compared(base: Type, value: str, operator: str, wanted: str) -> str:
    constant = f"{literal(wanted)}::{base.sql}"
    if not base.equality:
        return f"{keys.as_text(base, value)} {operator} {keys.as_text(base, constant)}"
    if base.schema == "pg_catalog":
        return f"{value} {operator} {constant}"
    name = {"=": "array_eq", ">": "array_gt", "<": "array_lt"}[operator]
    if base.is_array:
        return f"{name}({value}::{base.sql}, {constant})"
    return f"{name}(ARRAY[{value}::{base.sql}], ARRAY[{constant}])"
