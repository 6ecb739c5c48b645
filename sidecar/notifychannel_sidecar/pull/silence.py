"""For how long nobody has claimed, in words that change seldom: each change is written to the status. Pure."""

from __future__ import annotations

STEPS = ((86_400, "a day"), (3_600, "an hour"), (900, "15 minutes"), (300, "5 minutes"), (60, "a minute"))
"""Seconds, the longest first. A claim waits for a minute at most: who asks in a loop is never silent for longer."""


def silence(silent_s: float) -> str | None:
    """The sentence; None where that is no silence yet."""
    return next((f"nobody has claimed for more than {words}" for least_s, words in STEPS if silent_s > least_s), None)
