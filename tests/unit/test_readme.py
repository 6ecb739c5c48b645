"""The README states only what is so: its YAML is a channel, its links lead somewhere, its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from notifychannel_cli.__main__ import cli
from notifychannel_operator import manifest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md")])
README = (ROOT / "README.md").read_text()


def test_the_channel_in_the_readme_is_accepted():
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (channel,) = manifest.parse(text, file="README.md")
    assert channel.name == "orders"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file(page):
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_command_of_the_readme_exists_and_takes_the_options_shown():
    for line in re.findall(r"`notifychannel ([a-z].*?)`", README):
        name, *words = line.split()
        shown = CliRunner().invoke(cli, [name, "--help"])
        assert shown.exit_code == 0, line
        for option in (word for word in words if word.startswith("-")):
            assert option in shown.output, f"{line}: {option}"


def test_the_two_commands_of_the_readme_are_what_ci_runs():
    ci = (ROOT / ".ci" / "run").read_text().splitlines()
    assert {"make lint", "make test", "make demo"} <= set(ci)
