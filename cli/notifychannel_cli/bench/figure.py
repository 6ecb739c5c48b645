"""One measured figure beside its floor and its goal, and how figures are shown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable


class Goal(Enum):
    """Which side of the goal is the good one."""

    AT_MOST = "≤"
    AT_LEAST = "≥"


@dataclass(frozen=True, slots=True)
class Floor:
    """What the rival without us did in the same run."""

    value: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`value` in `unit` (`x`: a ratio to `floor`, which is measured in the same run); goals are goals, not gates."""

    name: str
    value: float
    unit: str
    floor: Floor
    goal: float | None = None
    side: Goal = Goal.AT_MOST
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.side is Goal.AT_MOST else self.value >= self.goal

    def as_json(self) -> dict[str, object]:
        """What `--json` prints."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "floor": self.floor.value,
            "goal": self.goal,
            "met": self.met,
        }


def as_table(figures: Iterable[Figure]) -> Table:
    """For a terminal."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for heading in ("figure", "value", "goal", "met", "floor of this run", ""):
        table.add_column(heading, no_wrap=True)
    for figure in figures:
        floor = f"{_short(figure.floor.value)} {figure.floor.unit}"
        goal = "" if figure.goal is None else f"{figure.side.value} {_short(figure.goal)} {figure.unit}"
        met = {None: "", True: "[green]yes[/green]", False: "[red]no[/red]"}[figure.met]
        table.add_row(figure.name, f"{_short(figure.value)} {figure.unit}", goal, met, floor, figure.note)
    return table


def _short(number: float) -> str:
    if abs(number) >= 1000:  # noqa: PLR2004  thousands need no decimals
        return f"{number:,.0f}"
    return f"{number:.3g}"
