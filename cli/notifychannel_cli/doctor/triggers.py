"""A channel's tables, rights, functions and triggers in its database, judged by what a pass would do. Pure.

Each sentence of a plan belongs to one check; what is wrong with the server itself is told by `server.py`.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from notifychannel_cli.doctor.finding import Trouble, Unseen
from notifychannel_cli.doctor.psql import AS_ADMIN
from notifychannel_operator import plan, refusals
from notifychannel_operator.passes.installed import GRANTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from notifychannel_operator.objects import Facts
    from notifychannel_operator.spec import Channel

COMMANDS = ("enable it with: ", "first run: ")
"""What stands before the command in a note of a plan."""
DEV = "dev"
"""The installation of `notifychannel sql` and `dev`, where none is named."""
STDIN = "-"
ROW_SECURITY = " has row level security"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A channel, and what stands in its database of it."""

    channel: Channel
    facts: Facts
    file: str | None = None
    """That it was read from; None: it is the cluster's."""
    installation: str = DEV

    @property
    def name(self) -> str:
        """`namespace/name`."""
        return f"{self.channel.namespace}/{self.channel.name}"

    @property
    def edit(self) -> str:
        """What opens it in an editor."""
        if self.file is None:
            return f"kubectl -n {self.channel.namespace} edit nch {self.channel.name}"
        return f'"${{EDITOR:-vi}}" {shlex.quote(self.file)}' if self.file != STDIN else "correct what you gave as -f -"

    def sql(self, *options: str) -> str:
        """`notifychannel sql` with it."""
        given = (
            f"kubectl -n {self.channel.namespace} get nch {self.channel.name} -o yaml | " if self.file is None else ""
        )
        file = shlex.quote(self.file or STDIN)
        return " ".join((f'{given}notifychannel sql -f {file} --dsn "$NOTIFYCHANNEL_DSN"', *options))

    @property
    def but_for_listeners(self) -> Facts:
        """The same, where every listener has its rights: those `listeners.py` judges."""
        outbox, queue = self.facts.outbox, self.facts.queue
        return replace(
            self.facts,
            outbox=outbox and replace(outbox, is_open_to_listeners=True),
            queue=queue and replace(queue, is_open_to_listeners=True),
        )

    def of_partitions(self) -> set[str]:
        """What is said of partitions."""
        return {said for it in self.channel.sources for said in refusals.of_partitions(it, self.facts)}

    def of_server(self) -> set[str]:
        """What is said of the server, by whatever role: `server.py` says it."""
        said = refusals.of_database(self.facts, has_sources=False, allow_superuser=True)
        return set(said)

    def of_superuser(self) -> set[str]:
        """What is said of a superuser as installer."""
        has_sources = bool(self.channel.sources)
        said, without = (
            set(refusals.of_database(self.facts, has_sources=has_sources, allow_superuser=allowed))
            for allowed in (False, True)
        )
        return said - without


def tables(seen: Sequence[Installed]) -> Iterator[Trouble]:
    """All that a plan refuses and that is not another check's."""
    for it in seen:
        others = it.of_partitions() | it.of_server() | it.of_superuser()
        for said in _problems(it):
            if said not in others and not _is_right(said) and ROW_SECURITY not in said:
                yield Trouble(about=it.name, why=said, remedy=(it.edit,))


def privileges(seen: Sequence[Installed]) -> Iterator[Trouble]:
    """Rights that the installer lacks, and a superuser as installer."""
    for it in seen:
        partitions = it.of_partitions()
        for said in _problems(it):
            if said in it.of_superuser():
                yield Trouble(about=it.name, why=said, remedy=(it.sql("--grants"),))
            elif _is_right(said) and said not in partitions:
                yield _granted(it, said)


def partitions(seen: Sequence[Installed]) -> Iterator[Trouble]:
    """Rights that the installer lacks on single partitions."""
    for it in seen:
        for said in sorted(it.of_partitions()):
            yield _granted(it, said)


def row_security(seen: Sequence[Installed]) -> Iterator[Trouble]:
    """Policies that would run with the installer's rights."""
    for it in seen:
        yield from _folded(_granted(it, said) for said in _problems(it) if ROW_SECURITY in said)


def triggers(seen: Sequence[Installed]) -> Iterator[Trouble | Unseen]:
    """What a pass would do: somebody changed our objects, or no pass has been there since the channel changed."""
    for it in seen:
        planned = plan.of(it.channel, it.but_for_listeners, allow_superuser=True)
        if planned.problems:
            yield Unseen(about=it.name, why="no pass can tell what should be there: mend what is wrong above first")
        elif planned.steps:
            would = "\n".join(f"the next pass would {step.sentence}" for step in planned.steps)
            yield Trouble(about=it.name, why=f"the database is not as the channel says\n{would}", remedy=(_pass(it),))


def _pass(it: Installed) -> str:
    """What does what one would; where there are passes, why none has."""
    if it.file is None:
        return f"kubectl -n {it.channel.namespace} describe nch {it.channel.name}  # why has no pass done it?"
    whose = () if it.installation == DEV else (f"--installation {it.installation}",)
    return it.sql(*whose, '| psql "$NOTIFYCHANNEL_DSN"')


def enabled(seen: Sequence[Installed]) -> Iterator[Trouble]:
    """Triggers that a person has disabled: they are left alone."""
    for it in seen:
        for note in plan.of(it.channel, it.facts, allow_superuser=True).notes:
            why, _, command = next((note.partition(mark) for mark in COMMANDS if mark in note), (note, "", ""))
            yield Trouble(about=it.name, why=why.rstrip(" ;,"), remedy=(_as_owner(command),))


def _problems(it: Installed) -> tuple[str, ...]:
    return plan.of(it.channel, it.facts).problems


def _is_right(said: str) -> bool:
    return any(mark in said for mark in GRANTS)


def _folded(troubles: Iterable[Trouble]) -> Iterator[Trouble]:
    """Those that one command mends as one: two sources may look up in one table."""
    found: dict[tuple[str, ...], Trouble] = {}
    for it in troubles:
        first = found.get(it.remedy)
        found[it.remedy] = replace(it, why=f"{first.why}\n{it.why}") if first else it
    yield from found.values()


def _granted(it: Installed, said: str) -> Trouble:
    """The sentence, and the statement at its end as a command."""
    why, _, statement = said.rpartition("run: ")
    return Trouble(about=it.name, why=why.rstrip(" ;,").removesuffix(", or"), remedy=(_as_owner(statement),))


def _as_owner(statement: str) -> str:
    return f"{AS_ADMIN} {shlex.quote(statement)}  # as the owner of what it names, or a superuser"
