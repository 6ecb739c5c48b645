"""docs/faults.md names every fault that is tried, its table has all of them; how they are judged."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.checker.shop import Combination
from tests.faults.faults import FAULTS
from tests.faults.page import BEGIN, END, PAGE
from tests.faults.run import Cell
from tests.faults.table import HEAD, as_markdown, delivery
from tests.faults.users import AWAY, CONTROL, ORDERS, Failure, Users

TEXT = PAGE.read_text()
FOUND = TEXT.partition(BEGIN)[2].partition(END)[0]
THE_TWELVE = 12
WAYS = ("application failing", "application hanging", "application restarting")


def lines(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


def test_the_page_says_of_each_fault_what_is_done_and_of_no_other():
    described = [line[0] for line in lines(TEXT.partition(BEGIN)[0])[2:]]
    assert described == [fault.name for fault in FAULTS]


def test_they_are_the_twelve():
    """Three of the lines are ways of one."""
    assert len({WAYS if fault.name in WAYS else fault.name for fault in FAULTS}) == THE_TWELVE


def test_the_table_was_found_for_each_fault_with_both_deliveries_and_nothing_was_lost():
    head, _, *rows = lines(FOUND)
    assert tuple(head) == HEAD
    cells = [
        (fault.name, delivery(Cell(fault=fault.name, combination=it)))
        for fault in FAULTS
        for it in fault.combinations()
    ]
    assert [(row[0], row[1]) for row in rows] == cells
    assert {(row[HEAD.index("lost")], row[HEAD.index("failed by us")]) for row in rows} == {("0", "0")}


def test_the_readme_has_the_longest_recovery_of_the_table_and_that_of_all_others():
    _, _, *rows = lines(FOUND)
    worst = {row[0]: 0.0 for row in rows}
    for row in rows:
        worst[row[0]] = max(worst[row[0]], float(row[HEAD.index("recovered after")].removesuffix(" s")))
    longest = worst.pop("application failing")
    said = " ".join((PAGE.parents[1] / "README.md").read_text().split())
    assert longest > max(worst.values())
    assert f"took {longest} s from the end of the fault" in said
    assert f"and {max(worst.values())} s else" in said


def test_the_table_says_with_which_machine_versions_and_date():
    assert re.match(r"\s*\d{4}-\d\d-\d\d, \d+ cores, .*PostgreSQL \d+\.\d+, Python \d+\.\d+", FOUND)


def test_a_cell_that_was_not_run_says_why_and_is_not_clean():
    cell = Cell(fault="clock jump", combination=Combination.NOTIFY, recovery_s=1.0)
    assert cell.is_clean
    cell = replace(cell, obstacle="needs a C compiler")
    assert not cell.is_clean
    assert "not run here: needs a C compiler" in as_markdown([cell])


def test_a_commit_fails_because_of_us_where_the_controls_do_not_fail_the_same_way_at_that_time():
    """Mutants: any failure of the control excuses; one excuses for ever."""
    users = Users()
    users.failures[CONTROL] = [Failure(at_s=10.0, kind=AWAY), Failure(at_s=20.0, kind="53100")]
    users.failures[ORDERS] = [
        Failure(at_s=9.0, kind=AWAY), Failure(at_s=21.0, kind="53100"),
        Failure(at_s=10.0, kind="53100"), Failure(at_s=30.0, kind=AWAY), Failure(at_s=10.0, kind="40P01"),
    ]  # fmt: skip
    assert (users.ours(), users.theirs()) == (3, 2)
