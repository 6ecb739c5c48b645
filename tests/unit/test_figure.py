"""A figure beside its floor: what `met` means and what programs read."""

from __future__ import annotations

import pytest

from notifychannel_cli.bench.figure import Figure, Floor, Goal


def figure(value: float, goal: float | None, side: Goal = Goal.AT_MOST) -> Figure:
    return Figure(name="a figure", value=value, unit="x", floor=Floor(12.5, "ms"), goal=goal, side=side)


@pytest.mark.parametrize(
    ("value", "goal", "side", "met"),
    [
        (1.4, 1.4, Goal.AT_MOST, True),
        (1.41, 1.4, Goal.AT_MOST, False),
        (0.5, 0.5, Goal.AT_LEAST, True),
        (0.49, 0.5, Goal.AT_LEAST, False),
        (7.0, None, Goal.AT_MOST, None),
    ],
)
def test_a_goal_is_met_on_its_good_side_and_at_its_edge(value, goal, side, met):
    assert figure(value, goal, side).met is met


def test_json_has_the_six_fields_that_programs_read():
    assert figure(1.2, 1.4).as_json() == {
        "name": "a figure",
        "value": 1.2,
        "unit": "x",
        "floor": 12.5,
        "goal": 1.4,
        "met": True,
    }
