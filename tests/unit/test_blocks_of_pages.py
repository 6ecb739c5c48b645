"""A block that a reader may copy is run by the test that the comment above it names, or that says: an excerpt."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from notifychannel_cli.__main__ import cli
from tests.named_tests import ROOT, all_tests
from tests.pages import PAGES, blocks

TO_RUN = {"sh", "bash", "console", "shell", "sql", "python"}
TO_READ = {"text", "json", "yaml", "http", "ini"}
"""YAML and JSON are examples of files; other tests ask the parser what it thinks of them."""
FOUND = [(page, block) for page in PAGES for block in blocks(page.read_text())]
OURS = re.compile(r"(?m)(?:^ *|\| |\$\()notifychannel ([a-z-]+)((?: (?!#)[^\s|>]+)*)")


def where(found):
    page, block = found
    return f"{page.relative_to(ROOT)}:{block.line}"


def is_marked(block):
    return bool(re.fullmatch(r"excerpt: .+|run by test_\w+", block.marker))


def test_every_block_is_to_be_run_or_to_be_read():
    assert [where(it) for it in FOUND if it[1].language not in TO_RUN | TO_READ] == []


def test_every_command_block_names_the_test_that_runs_it_or_says_why_it_is_an_excerpt():
    """Mutant: a new block without `<!-- run by test_… -->` or `<!-- excerpt: … -->` above it."""
    assert [where(it) for it in FOUND if it[1].language in TO_RUN and not is_marked(it[1])] == []


@pytest.mark.parametrize("found", [it for it in FOUND if it[1].marker.startswith("run by ")], ids=where)
def test_the_test_that_is_named_is_there_and_reads_the_page(found):
    """By its name or, below docs/, by its folder's. Mutant: the comment names a test of another page."""
    page, block = found
    test = block.marker.removeprefix("run by ")
    assert test in all_tests()
    sources = [text for text in map(Path.read_text, (ROOT / "tests").rglob("test_*.py")) if f"def {test}(" in text]
    folder = f'"{page.parent.name}"' if page.parent.parent == ROOT / "docs" else page.name
    assert any(page.name in source or folder in source for source in sources)


@pytest.mark.parametrize("found", [it for it in FOUND if OURS.search(it[1].text)], ids=where)
def test_our_own_commands_in_a_block_exist_and_take_the_options_shown(found):
    text = found[1].text.replace("\\\n", " ") if found[1].language in TO_RUN else ""
    for command, words in OURS.findall(re.sub(r"(?m)#.*", "", text)):
        shown = CliRunner().invoke(cli, [command, "--help"])
        assert shown.exit_code == 0, f"notifychannel {command}"
        for option in re.findall(r"(?<= )-{1,2}[a-z][a-z-]*", words):
            assert option in shown.output, f"notifychannel {command} {option}"
