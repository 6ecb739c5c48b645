"""A real browser: Debian's Chromium, headless, driven by Playwright (whose own browsers are not asked for).

The binary is that of NOTIFYCHANNEL_CHROMIUM, of the PATH, or what tests/install-chromium installs. `make screenshots`
lets `screenshot` write what it else only looks for.
"""

from __future__ import annotations

import functools
import os
import subprocess
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import BrowserContext, Page

EXAMPLES = Path(__file__).parents[1] / "examples"
WRITES = bool(os.environ.get("NOTIFYCHANNEL_SCREENSHOTS"))
PATIENCE_MS = 40_000


@functools.cache
def binary() -> str:
    """Where Chromium is; installs it once when it is missing. Skips the test where it can't be installed."""
    if given := os.environ.get("NOTIFYCHANNEL_CHROMIUM"):
        return given
    script = Path(__file__).parent / "install-chromium"
    found = subprocess.run([script], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.skip(found.stderr.strip())
    return found.stdout.strip()


@dataclass(kw_only=True)
class Browser:
    """One person's browser: its tabs share what a browser keeps."""

    context: BrowserContext = field(repr=False)
    errors: list[str] = field(default_factory=list)
    """Exceptions that a page's script has not caught; a test ends with none."""

    async def tab(self, url: str) -> Page:
        """A new tab, in which the page has come; what is awaited in it is given 40 s."""
        page = await self.context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.errors.append(f"{url}: {error}"))
        await page.goto(url)
        return page


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Started, with a window of 900 by 600; ended with the block."""
    from playwright.async_api import async_playwright  # noqa: PLC0415 - only who opens a page waits for it

    async with async_playwright() as playwright:
        program = await playwright.chromium.launch(executable_path=binary())
        try:
            made = Browser(context=await program.new_context(viewport={"width": 900, "height": 600}))
            yield made
        finally:
            await program.close()
    assert not made.errors, made.errors


async def screenshot(page: Page, example: str) -> None:
    """That of the example's README: written by `make screenshots`; else it only has to be there."""
    path = EXAMPLES / example / "screenshot.png"
    if WRITES:
        await page.screenshot(path=path)
    assert path.is_file(), f"make screenshots writes {path.name} of {example}"
