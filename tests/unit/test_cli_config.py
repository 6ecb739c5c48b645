"""`notifychannel config` without a database."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
from click.testing import CliRunner

from notifychannel_cli.__main__ import cli
from notifychannel_cli.embedded import free_port
from notifychannel_cli.identity import reason
from notifychannel_operator.configmap import config_for
from notifychannel_operator.manifest import parse
from notifychannel_sidecar.config import dump, load

TEXT = """\
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: orders, namespace: shop}
spec:
  database: {secretRef: {name: db}}
  sources: [{schema: public, table: orders, key: [{column: id}], rules: [{name: any, events: [Insert]}]}]
  consumers: [{group: api, endpoint: {port: 8080, path: /hints}}]
"""
PASSWORD = "hunter2"  # noqa: S105


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOTIFYCHANNEL_DSN", raising=False)
    path = tmp_path / "orders.yaml"
    path.write_text(TEXT)
    return path


def config(*arguments: str, stdin: str = ""):
    return CliRunner().invoke(cli, ["config", *arguments], input=stdin)


def expected(installation: str = "dev") -> str:
    channels = parse(TEXT, file="-")
    return dump(
        config_for(
            channels, installation=installation, namespace="shop", group="api", system_identifier=None, dbname=None
        )
    )


def test_it_prints_what_the_sidecar_reads():
    result = config("-f", "orders.yaml", "--group", "api")
    assert (result.exit_code, result.output) == (0, expected())


def test_the_installation_is_part_of_it():
    assert config("-f", "orders.yaml", "--group", "api", "--installation", "prod").output == expected("prod")


def test_a_group_that_nobody_names_is_wrong():
    result = config("-f", "orders.yaml", "--group", "app")
    assert (result.exit_code, result.output) == (1, "Error: no channel has the consumer app; the files name api\n")


def test_a_group_in_two_namespaces_has_to_be_told_apart():
    other = TEXT.replace("namespace: shop", "namespace: other")
    result = config("-f", "orders.yaml", "-f", "-", "--group", "api", stdin=other)
    assert result.exit_code == 2
    assert "api is in several namespaces; choose: --namespace other | shop" in result.output
    chosen = config("-f", "orders.yaml", "-f", "-", "--group", "api", "--namespace", "shop", stdin=other)
    assert (chosen.exit_code, chosen.output) == (0, expected())


def test_a_bad_file_is_told_as_lint_tells_it():
    result = config("-f", "-", "--group", "api", stdin=TEXT.replace("[Insert]", "[Insrt]"))
    assert result.exit_code == 1
    assert result.output.startswith("<stdin>:6: spec.sources[0].rules[0].events[0]: ")


def test_without_a_group_or_a_file_it_is_wrong_usage():
    assert config("-f", "orders.yaml").exit_code == 2
    assert config("--group", "api").exit_code == 2


@pytest.mark.parametrize(
    ("dsn", "sentence"),
    [
        (f"mysql://me:{PASSWORD}@127.0.0.1/x", "the DSN can't be used: the DSN has to start with postgresql://"),
        (f"postgresql://me:{PASSWORD}@127.0.0.1:NOBODY/x", "nobody listens there; check host and port"),
        (f"postgresql://me:{PASSWORD}@{PASSWORD}..x/x", "the DSN can't be used: host is no host name in the DSN"),
    ],
)
def test_a_database_that_cannot_be_reached_exits_with_3_and_shows_no_password(dsn, sentence):
    """Mutant: put `{dsn}` into the sentence of UnreachableError."""
    result = config("-f", "orders.yaml", "--group", "api", "--dsn", dsn.replace("NOBODY", str(free_port())))
    assert result.exit_code == 3
    assert sentence in result.output
    assert PASSWORD not in result.output


def test_a_host_that_is_not_known_is_said_without_its_name():
    assert reason(socket.gaierror(-2, PASSWORD)) == "the host name is not known here; check the host in the DSN"


def test_a_real_process_writes_a_file_that_the_sidecar_loads(tmp_path):
    command = [sys.executable, "-m", "notifychannel_cli", "config", "-f", "orders.yaml", "--group", "api"]
    with (tmp_path / "config.json").open("wb") as out:
        subprocess.run(command, stdout=out, check=True)
    assert load(tmp_path / "config.json").channels[0].name == "orders"
