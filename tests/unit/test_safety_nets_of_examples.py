"""An example's program is not without its safety net: when that breaks, the program ends and is started again."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.examples import FOLDER

BROKEN = """
import asyncio, runpy

real = asyncio.sleep

async def sleep(seconds):
    if seconds == 1:
        raise RuntimeError("unexpected")
    await real(seconds)

asyncio.sleep = sleep
runpy.run_path("{}", run_name="__main__")
"""
"""The net looks every second, and nothing else does."""


@pytest.mark.parametrize(
    "program",
    [
        "alert-delivery/application.py", "alert-delivery/counting.py", "build-status/application.py",
        "note-analytics/application.py", "note-analytics/batch.py",
    ],
)  # fmt: skip
def test_a_program_whose_safety_net_breaks_says_why_and_ends(program):
    """Mutant: without the callback."""
    folder, _, file = program.partition("/")
    ended = subprocess.run(
        [sys.executable, "-c", BROKEN.format(file)], cwd=FOLDER / folder, capture_output=True, text=True, check=False,
        timeout=30, env={**os.environ, "DATABASE_URL": "postgresql://127.0.0.1:1/nothing", "PORT": "0"},
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.count("RuntimeError: unexpected") == 1, ended.stderr
