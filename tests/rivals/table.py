"""What was found as a table: for a terminal, and as Markdown for docs/rivals.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.rivals.run import Found

HEAD = (
    "who", "version", "p50", "p99", "commits/s", "changes/s", "memory", "in the database", "missed at full rate",
    "lost over the outage", "caught up after",
)  # fmt: skip
NUMBERS = range(2, len(HEAD))

Line = tuple[str, ...]


def line(found: Found) -> Line:
    """As the table shows it."""
    return (
        found.name, found.version, f"{found.p50_ms:,.1f} ms", f"{found.p99_ms:,.1f} ms", f"{found.commits_per_s:,.0f}",
        f"{found.told_per_s:,.0f}", f"{found.memory_mib:.0f} MiB", f"{found.kept_mib:.1f} MiB", f"{found.missed:,}",
        f"{found.lost:,} of {found.written:,}", f"{found.caught_up_s:.1f} s",
    )  # fmt: skip


def as_table(found: Iterable[Found]) -> Table:
    """Red is what was not told of."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, name in enumerate(HEAD):
        table.add_column(name.replace(" ", "\n"), justify="right" if number in NUMBERS else "left", no_wrap=True)
    for each in found:
        table.add_row(*line(each), style="red" if each.missed or each.lost else "")
    return table


def as_markdown(found: Iterable[Found]) -> str:
    """The same."""
    rule = ["--:" if number in NUMBERS else "---" for number in range(len(HEAD))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (HEAD, rule, *map(line, found)))


def absent(reasons: Mapping[str, str]) -> str:
    """Who could not be measured, and why."""
    return "\n".join(f"- {name}: {why}." for name, why in reasons.items())
