"""What the harness asked for and did not get."""

from __future__ import annotations


class CommandError(AssertionError):
    """A command, or a question to the API server, that failed: what it was, and the words against it."""
