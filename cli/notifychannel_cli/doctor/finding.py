"""What a check found: a verdict, and where all is not well why, with the remedy as commands.

A check that could not be made is never a good one: what was not seen is `Unseen`, and says what to give.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from notifychannel_cli.doctor.check import Check

T = TypeVar("T")

FILE = "CHANNEL.yaml"
"""In a remedy: the files that were named, where some were."""


class Verdict(Enum):
    """The value is the JSON's word."""

    OK = "ok"
    WARNING = "warning"
    """It works, and will not for ever."""
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What a judgement says where all is not well."""

    why: str
    """What is so, on its first line: the headline. Below it, what that means."""
    remedy: tuple[str, ...]
    """Commands, or a sentence where there is none; in order."""
    without_cluster: tuple[str, ...] = ()
    """The same where no cluster was named, if it is another one."""
    about: str = ""
    """The channel or the pod, `namespace/name`; empty for what all share."""
    is_warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """What could not be looked at."""

    why: str
    remedy: tuple[str, ...] = ()
    about: str = ""
    """One of several, where the others were seen."""
    is_unreachable: bool = False
    """Cluster or database does not answer, or does not let us in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report."""

    check: Check
    verdict: Verdict
    about: str = ""
    why: str = ""
    remedy: tuple[str, ...] = ()
    without_cluster: tuple[str, ...] = ()
    is_unreachable: bool = False


def judged(check: Check, seen: T | Unseen, judge: Callable[[T], Iterable[Trouble | Unseen]]) -> Iterator[Finding]:
    """The findings of one check: not checked, well, or a line for each trouble."""
    if isinstance(seen, Unseen):
        yield unseen(check, seen)
        return
    troubles = tuple(judge(seen))
    if not troubles:
        yield Finding(check=check, verdict=Verdict.OK)
    for it in troubles:
        if isinstance(it, Unseen):
            yield unseen(check, it)
            continue
        verdict = Verdict.WARNING if it.is_warning else Verdict.FAILED
        yield Finding(
            check=check, verdict=verdict, about=it.about, why=it.why, remedy=it.remedy,
            without_cluster=it.without_cluster,
        )  # fmt: skip


def unseen(check: Check, why: Unseen) -> Finding:
    """That this check was not made."""
    return Finding(
        check=check, verdict=Verdict.NOT_CHECKED, about=why.about, why=why.why, remedy=why.remedy,
        is_unreachable=why.is_unreachable,
    )  # fmt: skip
