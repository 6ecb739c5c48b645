"""docs/rivals.md describes everybody who is measured, and its table or its list has each of them."""

from __future__ import annotations

import re

from tests.faults.page import END
from tests.rivals.__main__ import BEGIN, PAGE
from tests.rivals.rivals import everybody
from tests.rivals.run import Found
from tests.rivals.table import HEAD, absent, as_markdown

TEXT = PAGE.read_text()
FOUND = TEXT.partition(BEGIN)[2].partition(END)[0]


def lines(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


def test_the_page_says_of_everybody_how_it_hears_and_tells():
    described = [line[0].replace("`", "") for line in lines(TEXT.partition(BEGIN)[0])[2:]]
    assert described == [rival.name for rival in everybody()]


def test_everybody_is_in_the_table_or_listed_with_the_reason():
    head, _, *rows = lines(FOUND)
    assert tuple(head) == HEAD
    missing = re.findall(r"^- (.+?): .+", FOUND, re.MULTILINE)
    assert sorted([row[0] for row in rows] + missing) == sorted(rival.name for rival in everybody())


def test_the_page_says_with_which_machine_versions_and_date():
    assert re.match(r"\s*\d{4}-\d\d-\d\d, \d+ cores, .*PostgreSQL \d+\.\d+, Python \d+\.\d+", FOUND)


def test_who_can_not_be_measured_is_listed_with_the_reason_and_not_in_the_table():
    assert absent({"somebody": "not installed: install it"}) == "- somebody: not installed: install it."


def test_what_was_lost_stands_beside_what_was_written():
    found = Found(
        name="somebody", version="1", p50_ms=1.0, p99_ms=2.0, commits_per_s=3.0, told_per_s=4.0, memory_mib=5.0,
        kept_mib=6.0, missed=7, written=1200, lost=1000, caught_up_s=8.0,
    )  # fmt: skip
    assert lines(as_markdown([found]))[-1][-2:] == ["1,000 of 1,200", "8.0 s"]
