"""How findings are told: sections of lines with a sign each, in the manner of `linkerd check`, or JSON. Pure."""

from __future__ import annotations

from collections import Counter
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING

from notifychannel_cli.doctor.finding import Verdict
from notifychannel_cli.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from notifychannel_cli.doctor.check import Check
    from notifychannel_cli.doctor.finding import Finding

SIGNS = {
    Verdict.OK: "√",
    Verdict.WARNING: "‼",
    Verdict.FAILED: "\N{MULTIPLICATION SIGN}",
    Verdict.NOT_CHECKED: "\N{EN DASH}",
}
COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "red", Verdict.NOT_CHECKED: "dim"}
WORDS = {Verdict.FAILED: "failed", Verdict.WARNING: "to be looked at", Verdict.NOT_CHECKED: "not checked",
         Verdict.OK: "well"}  # fmt: skip


def lines(findings: Sequence[Finding]) -> Iterator[tuple[str, str]]:
    """Each line with its colour; why several checks in a row were not made is said once, below the last."""
    for section, group in groupby(findings, key=lambda it: it.check.section):
        found = tuple(group)
        yield section.value, "bold"
        yield "-" * len(section.value), ""
        for it, following in zip_longest(found, found[1:]):
            yield _head(it)
            if following is None or not _is_same_doubt(it, following):
                yield from _below(it)
        yield "", ""
    counts = Counter(it.verdict for it in findings)
    yield ", ".join(f"{counts[it]} {word}" for it, word in WORDS.items() if counts[it]), ""


def _is_same_doubt(one: Finding, other: Finding) -> bool:
    same = (one.verdict, one.about, one.why, one.remedy) == (other.verdict, other.about, other.why, other.remedy)
    return same and one.verdict is Verdict.NOT_CHECKED


def as_json(findings: Sequence[Finding]) -> dict[str, object]:
    """The document of `--json`."""
    return {
        "status": _worst(findings).value,
        "findings": [
            {
                "check": it.check.id,
                "sentence": it.check.sentence,
                "verdict": it.verdict.value,
                "about": it.about or None,
                "why": it.why or None,
                "remedy": list(it.remedy),
            }
            for it in findings
        ],
    }


def listed(checks: Sequence[Check]) -> list[dict[str, str]]:
    """The document of `--list --json`."""
    return [{"check": it.id, "sentence": it.sentence} for it in checks]


def code(findings: Sequence[Finding]) -> Exit:
    """A warning is no failure, and what was not checked neither, but for what can't be reached."""
    if any(it.is_unreachable for it in findings):
        return Exit.UNREACHABLE
    return Exit.WRONG if _worst(findings) is Verdict.FAILED else Exit.OK


def _worst(findings: Sequence[Finding]) -> Verdict:
    found = {it.verdict for it in findings}
    order = (Verdict.FAILED, Verdict.WARNING, Verdict.OK, Verdict.NOT_CHECKED)
    return next((it for it in order if it in found), Verdict.NOT_CHECKED)


def _head(it: Finding) -> tuple[str, str]:
    about = f"{it.about}: " if it.about else ""
    behind = "" if it.verdict is Verdict.OK else f" ({it.check.id})"
    return f"{SIGNS[it.verdict]} {about}{it.check.sentence}{behind}", COLOURS[it.verdict]


def _below(it: Finding) -> Iterator[tuple[str, str]]:
    said = "not checked: " if it.verdict is Verdict.NOT_CHECKED else ""
    yield from ((f"    {line}", "") for line in f"{said}{it.why}".splitlines() if it.why)
    yield from ((f"      {line}", "bold") for remedy in it.remedy for line in remedy.splitlines())
