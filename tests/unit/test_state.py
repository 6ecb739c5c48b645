"""Phases, reasons and what a person is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from notifychannel_sidecar.hints import Mode
from notifychannel_sidecar.listener import failures
from notifychannel_sidecar.listener.failures import Refused
from notifychannel_sidecar.state import REMEDIES, Phase, State, Why
from tests.listening import target

PAGE = Path(__file__).parents[2] / "docs" / "sidecar.md"


def test_every_reason_has_a_remedy():
    assert set(REMEDIES) == set(Why)
    assert all(remedy.endswith(".") for remedy in REMEDIES.values())


@pytest.mark.parametrize("phase", Phase)
def test_only_a_proven_listener_is_called_one(phase):
    """Mutant: CONNECTING counts as Listening."""
    expected = Mode.LISTENING if phase is Phase.LISTENING else Mode.POLLING
    assert State(phase=phase, since_s=0).mode is expected


def test_the_page_prints_every_reason_with_its_remedy():
    page = PAGE.read_text()
    for why, remedy in REMEDIES.items():
        assert f"| `{why.value}` | {remedy} |" in page


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ConnectionRefusedError(), Why.UNREACHABLE),
        (TimeoutError(), Why.UNREACHABLE),
        (asyncpg.InvalidPasswordError("x"), Why.AUTHENTICATION_FAILED),
        (asyncpg.InvalidAuthorizationSpecificationError("x"), Why.AUTHENTICATION_FAILED),
        (asyncpg.InvalidCatalogNameError("x"), Why.WRONG_DATABASE),
        (asyncpg.TooManyConnectionsError("x"), Why.TOO_MANY_CONNECTIONS),
        (asyncpg.ProgramLimitExceededError("x"), Why.QUEUE_FULL),
        (asyncpg.UndefinedFunctionError("x"), Why.OTHER_VERSION),
        (asyncpg.CannotConnectNowError("x"), Why.UNREACHABLE),
        (asyncpg.AdminShutdownError("x"), Why.UNREACHABLE),
        (asyncpg.ClientConfigurationError("x"), Why.NO_SECRET),
        (Refused(Why.HALF_OPEN), Why.HALF_OPEN),
        (AttributeError(), None),
        (KeyError(), None),
    ],
)
def test_what_the_database_does_is_tried_again_and_what_is_a_bug_of_ours_is_not(error, why):
    assert failures.why(error) is why


def test_a_log_line_tells_the_kind_of_a_failure_and_never_its_text():
    """Mutant: `label` returns str(error)."""
    error = asyncpg.InvalidPasswordError('password authentication failed for user "secret_name"')
    assert failures.label(error) == "InvalidPasswordError 28P01"
    assert failures.label(OSError("host.internal")) == "OSError"


def test_a_cancelled_task_is_no_failure_of_the_database():
    assert not issubclass(asyncio.CancelledError, Exception)


def test_a_session_is_named_after_the_tail_of_the_pod_within_63_bytes():
    long = target("postgresql://u:secret@h/d")
    long = type(long)(config=long.config, pod="ü" * 80 + "-7f9c", fingerprint="1", arguments=long.arguments)
    assert long.session_name.endswith("ü-7f9c")
    assert len(long.session_name.encode()) <= 63
    assert "secret" not in repr(long)
