"""A kubeconfig that is none ends with exit code 3 and a sentence, never with a traceback."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from notifychannel_cli.commands import cli
from notifychannel_cli.exits import Exit


@pytest.mark.parametrize("text", [b"hello: [", b"", b"[1, 2]", b"\xff\xfe\x00", b"contexts: 7"])
@pytest.mark.parametrize("command", [["status"], ["check-inject", "some-pod"], ["doctor"]])
def test_what_is_no_kubeconfig_is_said_to_be_none(tmp_path, text, command):
    """Mutant: NO_KUBECONFIG not caught: a traceback of the YAML library's."""
    path = tmp_path / "config"
    path.write_bytes(text)
    found = CliRunner().invoke(cli, [*command, "--kubeconfig", str(path)], env={"NOTIFYCHANNEL_DSN": None})
    assert found.exit_code == Exit.UNREACHABLE, found.exception
    assert "the kubeconfig " in found.output
    assert "kubectl config" in found.output
