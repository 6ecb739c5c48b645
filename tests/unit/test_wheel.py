"""What is shipped is what was tested: the built wheel holds every file that the programs read."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def tracked(folder: str) -> set[str]:
    listed = subprocess.run(["git", "ls-files", folder], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(listed.stdout.split())


def test_every_sql_file_is_in_the_wheel(shipped):
    wanted = {f"notifychannel_operator/{path}" for path in tracked("sql")}
    assert wanted
    assert wanted <= shipped


@pytest.mark.parametrize("program", ["operator", "sidecar", "cli"])
def test_every_file_of_a_program_is_in_the_wheel(shipped, program):
    wanted = {path.removeprefix(f"{program}/") for path in tracked(program)} - {"notifychannel_operator/sql"}
    assert wanted
    assert wanted <= shipped


def test_nothing_else_is_in_the_wheel(shipped):
    packages = ("notifychannel_operator/", "notifychannel_sidecar/", "notifychannel_cli/", "notifychannel-")
    assert [name for name in shipped if not name.startswith(packages)] == []
