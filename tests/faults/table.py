"""The cells as a table: for a terminal, and as Markdown for docs/faults.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.faults.run import Cell

HEAD = ("fault", "delivery", "keys written", "lost", "recovered after", "failed by us", "by PostgreSQL", "how")
NUMBERS = range(2, 7)
NEVER = "never"


def as_table(cells: Iterable[Cell]) -> Table:
    """Green is as promised."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, name in enumerate(HEAD):
        is_number = number in NUMBERS
        heading = name.replace(" ", "\n") if is_number else name
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=name != HEAD[-1])
    for cell in cells:
        style = {True: "green", False: "bold red", None: "yellow"}[None if cell.obstacle else cell.is_clean]
        fault, delivery, keys, *judged, how = _texts(cell)
        table.add_row(fault, delivery, keys, *(f"[{style}]{text}[/]" if text else "" for text in judged), how)
    return table


def as_markdown(cells: Iterable[Cell]) -> str:
    """The same."""
    rule = ["--:" if number in NUMBERS else "---" for number in range(len(HEAD))]
    return "\n".join(f"| {' | '.join(line)} |" for line in (HEAD, rule, *map(_texts, cells)))


def _texts(cell: Cell) -> tuple[str, ...]:
    how = delivery(cell)
    if cell.obstacle is not None:
        return cell.fault, how, "", "", "", "", "", f"not run here: {cell.obstacle}"
    recovered = NEVER if cell.recovery_s is None else f"{cell.recovery_s:.1f} s"
    return (
        cell.fault, how, f"{cell.keys:,}", f"{cell.lost:,}", recovered, f"{cell.ours:,}", f"{cell.theirs:,}", cell.note,
    )  # fmt: skip


def result(cell: Cell) -> str:
    """In a line."""
    named = zip(HEAD[2:], _texts(cell)[2:], strict=True)
    return ", ".join(f"{name} {text}" for name, text in named if text)


def delivery(cell: Cell) -> str:
    """And by which capture, for BestEffort has two."""
    return f"{cell.combination.delivery.value}, {cell.combination.capture.value}"
