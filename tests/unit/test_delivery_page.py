"""docs/delivery.md: each line names a test that there is, and its application does each id once."""

from __future__ import annotations

import re
import sqlite3

import pytest

from tests.named_tests import ROOT, all_tests, lines, named, untested

PAGE = (ROOT / "docs" / "delivery.md").read_text()


@pytest.mark.parametrize("name", named(PAGE))
def test_a_test_that_the_page_names_is_there(name):
    assert name in all_tests()


def test_every_line_of_a_gap_names_its_test():
    assert PAGE.count("| gap |") == 6
    assert len(lines(PAGE, "gap")) > 40
    assert untested(PAGE, "gap") == []


def test_the_three_combinations_are_all_there_are():
    heads = re.findall(r"^## `capture: (\w+)`, `delivery: (\w+)`", PAGE, re.MULTILINE)
    assert heads == [("Notify", "BestEffort"), ("Outbox", "BestEffort"), ("Outbox", "AtLeastOnce")]


def test_the_pages_application_does_each_id_once():
    """Also where its process dies in the middle: effect and id are one transaction."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(code.splitlines()) <= 10
    (table,) = re.findall(r"`(CREATE TABLE done .*?)`", PAGE)
    connection = sqlite3.connect(":memory:")
    connection.execute(table)
    connection.execute("CREATE TABLE effects (key integer)")
    dies = [False]

    def look_at_key(connection, key):
        connection.execute("INSERT INTO effects VALUES (?)", (key["id"],))
        if dies[0]:
            raise KeyboardInterrupt

    names = {
        "look_at_key": look_at_key,
        "look_at_every_key": lambda connection: connection.execute("INSERT INTO effects VALUES (-1)"),
    }
    exec(code, names)  # noqa: S102 - the page's own code is what is tested
    handle = names["handle"]
    one, two = {"id": "1-a", "key": {"id": 1}}, {"id": "2-b", "key": {"id": 2}}
    dies[0] = True
    with pytest.raises(KeyboardInterrupt):
        handle({"hints": [one]}, connection)
    dies[0] = False
    for hints in ([one], [one, two], [two], [{**one, "id": "3-a"}], []):
        handle({"hints": hints}, connection)
    assert [row[0] for row in connection.execute("SELECT key FROM effects")] == [1, 2, 1, -1]
    connection.close()
