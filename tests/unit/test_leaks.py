"""The search of all tests' logs for passwords finds one; it is `tests/conftest.py` that lets the run fail then."""

from __future__ import annotations

import logging

import pytest

from notifychannel_cli.embedded import Server
from tests import leaks


@pytest.fixture
def found(monkeypatch):
    """What is found in this test, and is not the run's."""
    monkeypatch.setattr(leaks, "found", [])
    monkeypatch.setattr(leaks, "known", set(leaks.MARKS))
    with leaks.watching() as lines:
        yield lines


@pytest.mark.parametrize(
    "line", ["as secret-of-installer_1", 'uri "postgresql://u:hunter2@db/shop"', "token-of-the-pod"]
)
def test_a_mark_of_a_password_is_found_in_a_line_of_a_program(found, line):
    leaks.look("listening to 1 channels")
    leaks.look(line)
    assert found == [line]


def test_a_servers_password_is_found_though_nothing_marks_it(found, monkeypatch):
    """Mutant: `watching` that does not learn it."""
    monkeypatch.setattr(Server, "run", lambda *_: "")
    monkeypatch.setattr(Server, "configure", lambda *_: None)
    server = Server(password="0123456789abcdef")
    server.create()
    server.directory.joinpath("password").unlink()
    server.directory.rmdir()
    leaks.look("connecting as 0123456789abcdef")
    assert found == ["connecting as 0123456789abcdef"]


def test_what_is_logged_in_the_tests_own_process_is_looked_at_with_its_traceback(found):
    """Mutant: the handler looks at the message alone."""
    error = ValueError("secret-of-installer")
    logging.getLogger("notifychannel_operator.x").error("unexpected", exc_info=error)
    assert found
