"""`notifychannel lint`."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from notifychannel_cli.__main__ import cli

GOOD = """\
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: orders}
spec:
  database: {secretRef: {name: db}}
  channel: new_order
  sources: [{schema: s, table: t, rules: [{name: r, events: [Insert]}]}]
  consumers: [{group: g, endpoint: {port: 1, path: /}}]
"""
BAD = GOOD.replace("[Insert]", "[Insrt]").replace("port: 1,", "port: 0,")
COMPLAINTS = [
    'bad.yaml:7: spec.sources[0].rules[0].events[0]: "Insrt" is not known; did you mean "Insert"?',
    "bad.yaml:8: spec.consumers[0].endpoint.port: 0 is out of bounds; write a whole number from 1 to 65535",
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "two.yaml").write_text(f"{GOOD.replace('orders', 'a')}---\n{GOOD.replace('orders', 'b')}")
    (tmp_path / "listen.yaml").write_text(
        GOOD.replace("orders", "listen").replace(
            "sources: [{schema: s, table: t, rules: [{name: r, events: [Insert]}]}]", "payload: {format: Text}"
        )
    )
    (tmp_path / "bad.yaml").write_text(BAD)
    return tmp_path


def lint(*arguments: str, stdin: str | bytes = ""):
    result = CliRunner().invoke(cli, ["lint", *arguments], input=stdin)
    return result.exit_code, result.output.splitlines()


@pytest.mark.usefixtures("folder")
def test_good_files_are_said_to_be_good():
    assert lint("-f", "good.yaml") == (0, ["good.yaml: 1 channel, ok"])


@pytest.mark.usefixtures("folder")
def test_a_bad_file_exits_with_1_and_every_problem_and_does_not_hide_the_good_one():
    assert lint("-f", "bad.yaml", "-f", "good.yaml") == (1, [*COMPLAINTS, "good.yaml: 1 channel, ok"])


@pytest.mark.usefixtures("folder")
def test_several_files_may_follow_one_option_as_a_shell_writes_them():
    assert lint("-f", "bad.yaml", "good.yaml", "good.yaml") == (1, [*COMPLAINTS, "good.yaml: 1 channel, ok"])


def test_standard_input_is_a_file_too():
    assert lint("-f", "-", stdin=GOOD) == (0, ["<stdin>: 1 channel, ok"])
    assert lint("-f", "-", stdin=b"\xff") == (1, ["<stdin>: is not UTF-8; write it as UTF-8"])


@pytest.mark.usefixtures("folder")
def test_the_same_channel_twice_is_a_problem_across_files():
    again = "<stdin>: default/orders: stands here a second time; remove one of them, or write another name or namespace"
    assert lint("-f", "good.yaml", "-f", "-", stdin=GOOD) == (1, ["good.yaml: 1 channel, ok", again])


@pytest.mark.usefixtures("folder")
def test_two_channels_with_sources_on_one_postgresql_channel_are_a_problem():
    complaint = (
        "two.yaml: default/b: has sources on the PostgreSQL channel of a; leave out spec.channel, or write another"
    )
    assert lint("-f", "two.yaml") == (1, [complaint])


@pytest.mark.usefixtures("folder")
def test_a_channel_that_only_listens_may_share_a_postgresql_channel():
    assert lint("-f", "good.yaml", "-f", "listen.yaml")[0] == 0


@pytest.mark.usefixtures("folder")
def test_json_is_for_programs():
    result = CliRunner().invoke(cli, ["lint", "-f", "bad.yaml", "-f", "good.yaml", "--json"])
    assert result.exit_code == 1
    shown = json.loads(result.output)
    assert shown["ok"] is False
    assert shown["files"][1] == {
        "file": "good.yaml",
        "channels": [{"namespace": "default", "name": "orders"}],
        "problems": [],
    }
    assert shown["files"][0]["problems"][1] == {
        "file": "bad.yaml",
        "line": 8,
        "path": "spec.consumers[0].endpoint.port",
        "message": "0 is out of bounds; write a whole number from 1 to 65535",
    }


def test_no_file_is_wrong_usage():
    code, lines = lint()
    assert code == 2
    assert lines[-1] == "Error: name a file: -f orders.yaml, or -f - for standard input"


def test_a_real_process_prints_whole_plain_lines_into_a_pipe(folder):
    command = [sys.executable, "-m", "notifychannel_cli", "lint", "-f", "bad.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (1, COMPLAINTS, "")
