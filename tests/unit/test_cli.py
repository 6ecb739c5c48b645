"""The command line as a whole: help, versions, unknown and missing commands, exit codes."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from notifychannel_cli import commands
from notifychannel_cli.__main__ import cli
from notifychannel_cli.console import print_problems, problems
from notifychannel_operator.manifest import parse


def run(*arguments: str, **options):
    return CliRunner().invoke(cli, arguments, **options)


def test_help_lists_every_command_and_the_exit_codes_without_importing_one():
    code = (
        "import sys; from click.testing import CliRunner; from notifychannel_cli.__main__ import cli; "
        "print(CliRunner().invoke(cli, ['--help']).output); "
        "print(sorted(set(sys.modules) & {'rich', 'asyncpg', 'aiohttp', 'yaml'}))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name, help_text in commands.COMMANDS.items():
        assert f"  {name}" in output
        assert help_text in output
    for exit_code in ("0 all is well", "1 what was asked", "2 wrong usage", "3", "130 Ctrl-C"):
        assert exit_code in output
    assert output.endswith("[]\n")


def test_the_version_is_the_package_s():
    assert run("--version").output == f"notifychannel {importlib.metadata.version('notifychannel')}\n"


def test_an_unknown_command_is_answered_with_the_one_that_may_be_meant():
    result = run("lnt")
    assert result.exit_code == 2
    assert "no such command 'lnt'; did you mean 'lint'?" in result.output
    known = "lint, sql, config, dev, doctor, queue, redrive, replay, audit, tail, status, check-inject, demo, bench"
    assert f"choose one of {known}" in run("frobnicate").output


def test_a_command_whose_module_is_missing_breaks_no_other(monkeypatch):
    monkeypatch.setitem(commands.COMMANDS, "later", "Something for later.")
    result = run("later")
    assert (result.exit_code, result.output) == (1, "Error: this version has no command 'later'\n")
    assert "Something for later." in run("--help").output
    assert run("lint", "--help").exit_code == 0


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "notifychannel_cli.lint", raising=False)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.delitem(sys.modules, "notifychannel_cli.console", raising=False)
    result = run("lint", "--help")
    assert result.exit_code == 1
    assert "lint needs the package rich.console; run: pip install 'notifychannel[cli]'" in result.output


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, click.Abort])
def test_ctrl_c_ends_with_130(monkeypatch, interruption):
    @click.command()
    def interrupted():
        raise interruption

    monkeypatch.setattr(commands.LazyGroup, "get_command", lambda *_: interrupted)
    assert run("lint").exit_code == 130


@pytest.mark.parametrize("name", ["lint", "config"])
def test_every_command_has_an_example_and_its_exit_codes_in_its_help(name):
    output = run(name, "--help").output
    assert f"notifychannel {name} -f orders.yaml" in output
    assert "Exit codes: 0" in output


def test_problems_are_printed_and_end_the_program_with_1(capsys):
    with pytest.raises(SystemExit) as caught, problems():
        parse("kind: NotifyChannel", file="a.yaml")
    assert caught.value.code == 1
    assert capsys.readouterr().err.splitlines()[0] == (
        "a.yaml:1: apiVersion: is required; write notifychannel.io/v1alpha1"
    )


def test_problems_are_red_on_a_terminal_plain_when_piped_and_plain_with_no_color(monkeypatch, capsys):
    def printed() -> str:
        print_problems(["a [b]problem[/b]"])
        return capsys.readouterr().err

    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert printed() == "a [b]problem[/b]\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert printed() == "\x1b[31ma [b]problem[/b]\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert printed() == "a [b]problem[/b]\n"


def test_kubectl_finds_the_same_program_as_a_plugin():
    """Mutant: the script left out of pyproject.toml; its own name in the usage."""
    program = Path(sys.executable).with_name("kubectl-notifychannel")
    output = subprocess.run([program, "lint"], capture_output=True, text=True, check=False).stderr
    assert output.startswith("Usage: kubectl notifychannel lint")
