"""What `dev` and `demo` say of a sidecar that does not listen in time."""

from __future__ import annotations

import pytest

from notifychannel_cli.sidecar_process import SidecarError, SidecarProcess
from tests.listening import config

SAID = {"state": "WAITING", "reason": "Unreachable", "remedy": "look at the Secret"}


@pytest.mark.parametrize(
    ("said", "log", "why"),
    [
        ({}, "", "it has said nothing yet, as on a machine that is very busy; try again"),
        (SAID, "", "Unreachable look at the Secret"),
        (SAID, "refused\n", "Unreachable look at the Secret; refused"),
        ({}, "refused\n", "refused"),
    ],
)
async def test_who_waited_in_vain_is_told_what_the_sidecar_has_said_or_that_it_has_said_nothing(
    tmp_path, monkeypatch, said, log, why
):
    """Mutant: None for a reason that there is not."""
    sidecar = SidecarProcess(config=config(), uri="")
    sidecar.folder = tmp_path
    (tmp_path / "log").write_text(log)

    async def status(_):
        return said

    monkeypatch.setattr(SidecarProcess, "status", status)
    with pytest.raises(SidecarError) as caught:
        await sidecar.listening(timeout_s=0.1)
    assert str(caught.value) == f"the sidecar does not listen after 0 s: {why}"
