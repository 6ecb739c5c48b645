"""Settings from environment variables: each is read once, and one that can't be used is a sentence that names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PORT = 65_535
LOG_FORMATS = ("json", "text")


class SettingsError(Exception):
    """A variable can't be used; the sentence names it and says what to write."""


def required(environment: Mapping[str, str], name: str, meaning: str) -> str:
    """A variable without a default; `meaning` completes "it says …"."""
    if not (found := environment.get(name)):
        raise SettingsError(f"{name} is missing: it says {meaning}")
    return found


def number(environment: Mapping[str, str], name: str, default: int, *, least: int, most: int) -> int:
    """A whole number between two others."""
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise SettingsError(f"{name} is {text!r}: write a whole number from {least} to {most}")
    return int(text)


def choice(environment: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """One of a few words, the first by default."""
    text = environment.get(name) or choices[0]
    if text not in choices:
        raise SettingsError(f"{name} is {text!r}: write {' or '.join(choices)}")
    return text
