"""The map of ARCHITECTURE.md names every file that there is, and none that there is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAP = (ROOT / "ARCHITECTURE.md").read_text().partition("## Code map")[2].partition("## Invariants")[0]
PROGRAMS = ["operator/notifychannel_operator", "sidecar/notifychannel_sidecar", "cli/notifychannel_cli"]


def section(program: str) -> str:
    return MAP.partition(f"**`{program}/`**")[2].partition("\n**`")[0]


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_map_names_the_files_of_a_program_and_no_others(program):
    files = {path.name for path in (ROOT / program).rglob("*.py")} - {"__init__.py"}
    assert set(re.findall(r"`(\w+\.py)`", section(program))) == files


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_map_names_the_folders_of_a_program_and_no_others(program):
    folders = {path.parent.name for path in (ROOT / program).rglob("__init__.py")} - {Path(program).name}
    assert set(re.findall(r"`(\w+)/`", section(program))) == folders
