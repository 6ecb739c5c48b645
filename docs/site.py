# ruff: noqa: INP001 - mkdocs runs it
"""The static site of `make docs`: copies the pages, and what they link to, for mkdocs.

Nothing is rewritten: the copies lie to each other as the originals do.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ENTRY = re.compile(r"(?:[-*]|\d+\.) ")
sys.path.insert(0, str(ROOT))  # mkdocs loads this file by its path

from tests.pages import PAGES, links  # noqa: E402


def on_config(config: Any) -> Any:
    """Called before mkdocs looks for files: https://www.mkdocs.org/user-guide/configuration/#hooks."""
    copy(Path(config["docs_dir"]))
    return config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """GitHub's Markdown as Python's: what belongs to an entry of a list is indented by four, and lists begin apart."""
    found, indent, first = [], None, ""
    for line in markdown.split("\n"):
        if fence := re.fullmatch(r"( *)```.*", line):
            indent = len(fence[1]) if indent is None else None
            found.append("" if fence[1] else line)
        elif indent is not None:
            found.append(" " * 8 + line[indent:] if indent else line)  # in a list: a block by its indentation
        else:
            if ENTRY.match(line) and found and found[-1] and not ENTRY.match(first.lstrip()):
                found.append("")
            first = line if not found or not found[-1] else first  # of the paragraph
            found.append(re.sub(r"^ {2,3}(?=\S)", "    ", line))
    return "\n".join(found)


def copy(to: Path) -> None:
    """Every page, and every file or folder's files that one links to."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "site.css", to)
    for page in PAGES:
        for target in (page, *((page.parent / link.partition("#")[0]).resolve() for link in links(page.read_text()))):
            place = to / target.relative_to(ROOT)
            place.parent.mkdir(parents=True, exist_ok=True)
            if target.is_file():
                shutil.copy(target, place)
