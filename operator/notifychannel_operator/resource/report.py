"""What is wrong with a resource, where, and what to write instead: one sentence per problem, all of them at once."""

from __future__ import annotations

from dataclasses import dataclass, field

SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to mend; `str` of it is the line a person reads."""

    file: str
    """Empty where there is none: the resource came from the API server."""
    line: int
    """From 1; 0 where the whole file is meant."""
    path: str
    """`spec.sources[0].rules[1].events`; empty where the whole document is meant."""
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(each for each in (where, self.path, self.message) if each)


class SpecError(Exception):
    """The resource can't be used; `problems` and `str` say everything that is wrong, in the order of the lines."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


@dataclass(slots=True, kw_only=True)
class Report:
    """Collects the problems of one file while it is read."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def say(self, *, line: int, path: str, message: str) -> None:
        """Note one problem and go on."""
        self.problems.append(Problem(file=self.file, line=line, path=path, message=message))

    def sound(self, path: str) -> bool:
        """Nothing at or below that path has been complained about."""
        below = (f"{path}.", f"{path}[")
        return not any(problem.path == path or problem.path.startswith(below) for problem in self.problems)

    def raise_if_any(self) -> None:
        """Raise SpecError with everything collected, ordered by line."""
        if self.problems:
            raise SpecError(tuple(sorted(self.problems, key=lambda problem: problem.line)))


def printable(text: str) -> str:
    """Text fit for a message: one line, not too long, no control characters or halves of characters."""
    shown = "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text[:SHOWN_CHARACTERS])
    return shown + ("..." if len(text) > SHOWN_CHARACTERS else "")
