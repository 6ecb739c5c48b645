"""The pages of this repository as a reader follows them: headings with GitHub's anchors, links, fenced blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("docs", "examples", "charts", "tests")
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])
FENCE = re.compile(r" *```(.*)")
MARKER = re.compile(r" *<!-- (.*) -->")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: its language, its text, and what the comment right above it says (empty: there is none)."""

    line: int
    language: str
    text: str
    marker: str


def blocks(page: str) -> list[Block]:
    """In the page's order."""
    found, began, above = [], 0, ""
    language, text = "", list[str]()
    for number, line in enumerate(page.splitlines(), 1):
        fence = FENCE.fullmatch(line)
        if fence and not began:
            began, language, text = number, fence[1], []
        elif fence:
            marker = MARKER.fullmatch(above)
            said = marker[1] if marker else ""
            found.append(Block(line=began, language=language, text="\n".join([*text, ""]), marker=said))
            began, above = 0, ""
        elif began:
            text.append(line)
        else:
            above = line
    return found


def as_typed(block: str) -> tuple[str, list[str]]:
    """Its commands, and patterns of the lines that they print: of the `# …` lines at its end."""
    commands, printed = re.fullmatch(r"(.*?)((?:^# [^\n]*\n)*)", block, re.DOTALL | re.MULTILINE).groups()
    return commands, [as_shown(line.removeprefix("# ")) for line in printed.splitlines()]


def as_shown(line: str) -> str:
    """A pattern for a line that a page shows: … is anything, and columns are as wide as they are."""
    words = [re.escape(word).replace("…", r"\S+") for word in line.split()]
    return r"^\s*" + r"\s+".join(words) + r"\s*$"


def prose(page: str) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", page, flags=re.DOTALL | re.MULTILINE)


def links(page: str) -> list[str]:
    """Targets of relative links, with their #anchors; what stands in `code` is none."""
    text = re.sub(r"`[^`\n]*`", "", prose(page))
    return re.findall(r"\]\((?!https?://)([^)\s]+)\)", text)


def anchors(page: str) -> set[str]:
    """What GitHub makes of the headings: a second one of a name ends in -1."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.*?) *#*$", prose(page), re.MULTILINE):
        name, count = slug(heading), 0
        while (anchor := f"{name}-{count}" if count else name) in found:
            count += 1
        found.add(anchor)
    return found


def slug(heading: str) -> str:
    """https://docs.github.com/en/get-started/writing-on-github: lower case, no punctuation, - for each space."""
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")
