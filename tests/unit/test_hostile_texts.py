"""A hostile text in any string of the resource: most fields refuse it; the others are those that SQL is tested with."""

from __future__ import annotations

import re

import pytest

from notifychannel_operator.manifest import SpecError, from_object
from tests.hostile import FIELDS, IN_SQL, NOT_IN_SQL, TEXTS, TOO_MUCH, resource

INDEX = re.compile(r"\[\d+\]")
VALUES = "spec.sources[].rules[].when.allOf[].values[]"


def complaints(field: str, text: str) -> set[str]:
    """The paths of what is wrong, with `[]` for any index."""
    try:
        from_object(resource(field, text))
    except SpecError as error:
        return {INDEX.sub("[]", problem.path) for problem in error.problems}
    return set()


def test_the_fields_are_all_strings_of_the_crd_and_some_of_them_reach_sql():
    assert len(FIELDS) > 35
    assert set(FIELDS) >= IN_SQL | NOT_IN_SQL


@pytest.mark.parametrize("field", FIELDS)
def test_a_hostile_text_is_refused_where_it_stands_or_is_one_that_sql_can_hold(field):
    """Mutant: `grammar.rule_name` that takes what `grammar.identifier` does; a new string without a check."""
    for name, text in (TEXTS | TOO_MUCH).items():
        found = complaints(field, text)
        if (field in IN_SQL | NOT_IN_SQL and name in TEXTS) or (field, name) == (VALUES, "64 bytes"):
            assert found == set(), name
        else:
            assert any(path.startswith(field.partition("{")[0]) for path in found), (name, found)
