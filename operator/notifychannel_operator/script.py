"""Plans as a text for people to review and for `psql -f` to run: the same statements that a pass would run. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifychannel_operator import sqlfile, statements

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from notifychannel_operator.step import Plan, Step


def text(plans: Sequence[tuple[str, Plan]]) -> str:
    """The script of these (title, plan); a step that several plans have stands there once."""
    lines = [sqlfile.read("plan/head.sql").rstrip("\n")]
    told: set[Step] = set()
    for title, plan in plans:
        lines += [
            "",
            *_comment(title),
            *(it for note in (*plan.notes, *plan.remarks) for it in _comment(f"NOTE: {note}")),
        ]
        steps = [step for step in plan.steps if step not in told]
        told.update(steps)
        if not steps:
            lines += _comment("Nothing to do.")
        for step in steps:
            lines += ["", *_transaction(step, plan.installer)]
    return "\n".join([*lines, ""])


def _transaction(step: Step, installer: str) -> Iterator[str]:
    yield from _comment(step.sentence)
    yield "BEGIN;"
    yield statements.begin(installer)
    for statement in step.statements:
        yield ""
        yield f"{statement};"
    yield "COMMIT;"
    if step.then is not None:
        yield from _transaction(step.then, installer)


def _comment(sentence: str) -> Iterator[str]:
    # names of tables stand in sentences, and a name may hold a line break: nothing may get out of the comment
    return (f"-- {line}" for line in sentence.splitlines())
