"""The pages of docs/runbooks can be followed: their form, their SQL on a real database, what their commands name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from notifychannel_cli.__main__ import cli
from notifychannel_sidecar.state import Why
from tests import queueing
from tests.durably import Queue

PAGES = {page.stem: page.read_text() for page in (Path(__file__).parents[2] / "docs" / "runbooks").glob("*.md")}
BLOCK = re.compile(r"^```sql\n(.*?)^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`((?:SELECT|VACUUM|ALTER) [^`]*;)`")
OURS = re.compile(r"notifychannel (queue|redrive|replay|sql|status|doctor|tail|audit)((?: [^\n`#|]+)?)")


@pytest.fixture(scope="session")
def server(newest):
    """What is asked there is the same on each version that we support."""
    return newest


@pytest.fixture
def template(server):
    return queueing.template(server)


def statements(page: str) -> list[str]:
    """Of the blocks and in the text, without comments."""
    blocks = "".join(re.sub(r"--.*", "", block) for block in BLOCK.findall(page))
    return [each.strip() for each in [*blocks.split(";"), *INLINE.findall(page)] if each.strip()]


async def test_the_sql_of_every_page_runs(database):
    queue = await Queue.on(database)
    role = await database.role("listener")
    found = {name: statements(page) for name, page in PAGES.items() if statements(page)}
    assert {"NotifyChannelQueueFilling", "NotifyChannelOutboxGrowing", "NotifyChannelLagHigh"} <= set(found)
    for name, every in found.items():
        for statement in every:
            ready = statement.replace("<pid>", "2147483647").replace("<role>", f'"{role}"')
            assert "<" not in re.sub(r"< (?=now)", "", ready), f"{name}: {ready}"
            await queue.admin.execute(ready)


def test_our_own_commands_exist_and_take_the_options_shown():
    found = [(name, *command) for name, page in PAGES.items() for command in OURS.findall(page)]
    assert len(found) > 5
    for name, command, words in found:
        shown = CliRunner().invoke(cli, [command, "--help"])
        assert shown.exit_code == 0, f"{name}: notifychannel {command}"
        for option in re.findall(r"(?<= )-{1,2}[a-z][a-z-]*", words):
            assert option in shown.output, f"{name}: notifychannel {command} {option}"


def test_every_reason_why_a_sidecar_does_not_listen_or_claim_has_its_remedy():
    """Mutant: a new `Why` without a line in a page."""
    text = PAGES["NotifyChannelNotListening"] + PAGES["NotifyChannelNotClaiming"]
    assert [why.value for why in Why if f"`{why.value}`" not in text] == []


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_says_what_it_means_how_to_see_it_and_what_to_do_with_commands(name):
    page = PAGES[name]
    assert page.startswith(f"# {name}\n\n")
    meaning, see, do = re.fullmatch(r"# \w+\n\n(.*?)\n## See it\n(.*?)\n## Do\n(.*)", page, re.DOTALL).groups()
    assert len(meaning.split()) > 20
    assert "```sh" in see or "```sql" in see
    assert "`" in do
    assert "kubectl" in see + do or "SELECT" in see + do
