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

    Doubt = tuple[str, str, tuple[str, ...]]
    """(about, why, remedy)."""

SIGNS = {
    Verdict.OK: "√",
    Verdict.WARNING: "‼",
    Verdict.FAILED: "\N{MULTIPLICATION SIGN}",
    Verdict.NOT_CHECKED: "\N{EN DASH}",
}
COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "red", Verdict.NOT_CHECKED: "dim"}
WORDS = {Verdict.FAILED: "failed", Verdict.WARNING: "to be looked at", Verdict.NOT_CHECKED: "not checked",
         Verdict.OK: "well"}  # fmt: skip
TOLD = (Verdict.FAILED, Verdict.WARNING)
"""What these are stands in `why`; what the check would be happy with would only be in the way."""
MANY = 3
"""Checks that were not made for one reason: from so many on they are counted."""


def lines(findings: Sequence[Finding]) -> Iterator[tuple[str, str]]:
    """Each line with its colour. Why many checks were not made is said once, with how many: at the end."""
    doubts = _doubts(findings)
    shown = [it for it in findings if _doubt(it) not in doubts]
    for section, group in groupby(shown, key=lambda it: it.check.section):
        found = tuple(group)
        yield section.value, "bold"
        yield "-" * len(section.value), ""
        for it, following in zip_longest(found, found[1:]):
            yield _head(it)
            if following is None or _doubt(it) is None or _doubt(it) != _doubt(following):
                yield from _below(it)
        yield "", ""
    failed = {it.why for it in findings if it.verdict is Verdict.FAILED}
    for (_, why, remedy), those in doubts.items():
        sign, colour = SIGNS[Verdict.NOT_CHECKED], COLOURS[Verdict.NOT_CHECKED]
        yield f"{sign} not checked{'' if why in failed else f', {why}'}: {_counted(those)}", colour
        yield from () if why in failed else _commands(remedy)  # they stand above
    if doubts:
        yield "", ""
    counts = Counter(it.verdict for it in findings)
    yield ", ".join(f"{counts[it]} {word}" for it, word in WORDS.items() if counts[it]), ""


def _doubt(it: Finding) -> Doubt | None:
    """Why it was not checked."""
    return (it.about, it.why, it.remedy) if it.verdict is Verdict.NOT_CHECKED else None


def _doubts(findings: Sequence[Finding]) -> dict[Doubt, list[Check]]:
    """What many checks have in common that were not made."""
    found: dict[Doubt, list[Check]] = {}
    for it in findings:
        if (doubt := _doubt(it)) is not None and "\n" not in it.why and not it.about:
            found.setdefault(doubt, []).append(it.check)
    return {doubt: those for doubt, those in found.items() if len(those) >= MANY}


def _counted(those: Sequence[Check]) -> str:
    """By section; by name where there are few of one."""
    said: list[str] = []
    for section, group in groupby(those, key=lambda it: it.section):
        found = tuple(group)
        said += [f"{section.value} ({len(found)})"] if len(found) >= MANY else [it.id for it in found]
    return ", ".join(said)


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
    """What is so: all is well, or what is not."""
    about = f"{it.about}: " if it.about else ""
    behind = "" if it.verdict is Verdict.OK else f" ({it.check.id})"
    said = it.why.partition("\n")[0] if it.verdict in TOLD else it.check.sentence
    return f"{SIGNS[it.verdict]} {about}{said}{behind}", COLOURS[it.verdict]


def _below(it: Finding) -> Iterator[tuple[str, str]]:
    why = it.why.partition("\n")[2] if it.verdict in TOLD else f"not checked: {it.why}" if it.why else ""
    yield from ((f"    {line}", "") for line in why.splitlines())
    yield from _commands(it.remedy)


def _commands(remedy: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield from ((f"      {line}", "bold") for each in remedy for line in each.splitlines())
