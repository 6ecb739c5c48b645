"""The file of `notifychannel dev --services`, read; each mistake is one sentence."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from dataclasses import replace

import aiohttp
import pytest
import yaml
from click.testing import CliRunner
from rich.console import Console

from notifychannel_cli import manifests
from notifychannel_cli.__main__ import cli
from notifychannel_cli.dev import watch
from notifychannel_cli.dev.others import left_out
from notifychannel_cli.dev.service_process import program
from notifychannel_cli.dev.services import Service, ServicesError, load
from notifychannel_cli.exits import WrongError
from notifychannel_cli.sidecar_process import SidecarError
from notifychannel_operator.consumers import Registered, wanted
from notifychannel_operator.names import Owner
from tests.pages import ROOT

GOOD = """
services:
  - {name: orders, group: orders-api, port: 8080, statusPort: 9789, command: [python, application.py]}
  - {name: reader, group: orders-page, localPort: 9790, command: [python, reader.py]}
  - {name: clock, restart: true, command: [date]}
try: [curl http://127.0.0.1:8080/orders]
"""
CHANNEL = """
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: orders}
spec:
  database: {secretRef: {name: orders-db}}
  sources:
    - {schema: public, table: orders, key: [{column: id}], rules: [{name: any, events: [Insert]}]}
  consumers:
    - group: orders-api
      endpoint: {port: 8080, path: /hints}
    - group: orders-page
"""
EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/services.yaml"))


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "services.yaml"
    made.write_text(GOOD)
    return made


def test_services_are_read_with_the_folder_that_they_start_in(file):
    found = load(file)
    assert found.folder == file.parent
    assert found.services == (
        Service(
            name="orders", group="orders-api", port=8080, status_port=9789, command=("python", "application.py")
        ),
        Service(name="reader", group="orders-page", local_port=9790, command=("python", "reader.py")),
        Service(name="clock", command=("date",), restart=True),
    )  # fmt: skip
    assert found.tries == ("curl http://127.0.0.1:8080/orders",)
    assert found.groups == {"orders-api", "orders-page"}
    assert found.without_port == {"orders-page"}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (GOOD, "[", "is no YAML"),
        (GOOD, "- a", "write a list `services`"),
        ("try:", "tries:", 'unknown field "tries"; known here: services, try'),
        (GOOD, "services: []", "`services` is empty"),
        ("name: clock", "group: x", "services[2]: has no name"),
        ("port: 8080", "prot: 8080", 'services[0]: unknown field "prot"; did you mean "port"?'),
        ("name: clock", "name: clock, 7: 1", 'services[2]: unknown field "7"; known here: name, group,'),
        (GOOD, "services: [date]", "services[0]: write its fields: name, group,"),
        ("restart: true", "restart: 3", "services[2]: `restart` is true or false"),
        ("[date]", "date", "services[2]: `command` is a list of words"),
        ("[date]", "[]", "services[2]: `command` is a list of words"),
        ("port: 8080", "port: 80800", "services[0]: `port` is a number from 1 to 65535"),
        ("port: 8080", 'port: "8080"', "services[0]: `port` is a number from 1 to 65535"),
        ("localPort: 9790", "localPort: 0", "services[1]: `localPort` is a number from 1 to 65535"),
        ("group: orders-api", "group: 7", "services[0]: a `group` is a consumer's name"),
        ("name: clock", "name: orders", "two services have the name orders"),
        ("name: clock", "name: clock, port: 9789", "two services have the port 9789"),
        ("localPort: 9790", "localPort: 8080", "two services have the port 8080"),
        ("[curl http://127.0.0.1:8080/orders]", "[a: b]", "`try` is no list of lines"),
    ],
)  # fmt: skip
def test_a_mistake_is_a_sentence_that_says_where(file, before, after, said):
    file.write_text(GOOD.replace(before, after))
    with pytest.raises(ServicesError) as refused:
        load(file)
    assert refused.value.message.startswith(f"{file}: ")
    assert said in refused.value.message


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ServicesError, match=r"nowhere\.yaml: No such file"):
        load(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--dsn", "postgresql://a/b", "--schema", "a.sql", "--print"], "--dsn is a database, --schema makes one"),
        (["--schema", "a.sql", "--keep", "--print"], "the database of --schema goes at the end"),
        (["--print"], "name the database"),
        (["--dsn", "x", "--services", "{services}", "--print"], "exactly one of"),
        (["--dsn", "x", "--services", "{services}", "--group", "orders-api"], "says who is which consumer"),
        (["--dsn", "x", "--services", "{other}"], "no channel has the consumer payments; the files name orders-"),
        (["--dsn", "x", "--services", "{deaf}"], "orders-api is POSTed to (channel orders); write the `port`"),
    ],
)  # fmt: skip
def test_options_that_contradict_each_other_are_refused(tmp_path, file, options, said):
    """Mutants: `_check_groups` not called; `_check_ports` not called."""
    channel, other, deaf = tmp_path / "orders.yaml", tmp_path / "other.yaml", tmp_path / "deaf.yaml"
    deaf.write_text("services: [{name: orders, group: orders-api, command: [date]}]")
    channel.write_text(CHANNEL)
    other.write_text(GOOD.replace("orders-api", "payments"))
    words = [it.format(services=file, other=other, deaf=deaf) for it in options]
    result = CliRunner().invoke(cli, ["dev", "-f", str(channel), *words], env={"NOTIFYCHANNEL_DSN": ""})
    assert result.exit_code == 2, result.output
    assert said in " ".join(result.stderr.replace("│", " ").split())


def test_the_environment_may_name_a_database_where_a_schema_makes_one(tmp_path):
    """The DSN stands there for all commands. Mutant: `_database` without the question where it comes from."""
    channel = tmp_path / "orders.yaml"
    channel.write_text(CHANNEL)
    words = ["dev", "-f", str(channel), "--schema", str(tmp_path / "nowhere.sql"), "--print"]
    words += ["--group", "orders-api"]
    result = CliRunner().invoke(cli, words, env={"NOTIFYCHANNEL_DSN": "postgresql://a/b"})
    assert result.exit_code == 1
    assert "nowhere.sql can't be read" in result.stderr


def test_a_consumer_that_would_be_left_out_is_named_where_it_is_served_or_waited_for(tmp_path):
    """Mutants: `left_out` without the question who is wanted; without `it.waiting`."""
    file = tmp_path / "orders.yaml"
    logged = CHANNEL.replace("spec:", "spec:\n  capture: Outbox").replace(
        "/hints}", "/hints}\n      delivery: AtLeastOnce"
    )
    file.write_text(logged)
    (whole,) = manifests.channels([str(file)])
    without = replace(whole, consumers=whole.consumers[1:])
    owner = Owner(installation="dev", namespace=whole.namespace, name=whole.name)
    (terms,) = wanted(whole, pg_channel="orders")
    there = Registered(owner=owner, terms=terms)
    named = "orders is installed with the consumer orders-api"
    assert list(left_out(without, [there])) == []
    assert list(left_out(whole, [replace(there, claimers=1, rows=1)])) == []
    (served,) = left_out(without, [replace(there, claimers=1)])
    assert served.startswith(f"{named}, whom another `notifychannel dev` serves")
    (waits,) = left_out(without, [replace(there, rows=1)])
    assert waits.startswith(f"{named}; the group orders-api has 1 key that no application has acknowledged")


async def test_a_sidecar_that_says_nothing_for_a_while_ends_nothing(monkeypatch):
    """As while a machine sleeps. Mutants: one of the two not caught."""
    monkeypatch.setattr(watch, "LOOK_EVERY_S", 0.0)
    said = iter([TimeoutError(), aiohttp.ServerDisconnectedError(), SidecarError("ended")])

    class Frozen:
        async def status(self):
            raise next(said)

    with pytest.raises(SidecarError, match="ended"):
        await watch.watch(Frozen(), Console())


def test_a_program_with_a_slash_is_one_of_the_folder(tmp_path):
    """Mutant: `which` of the name as it is."""
    made = tmp_path / "run.sh"
    made.touch(mode=0o755)
    assert program(Service(name="one", command=("./run.sh",)), tmp_path) == str(made)
    with pytest.raises(WrongError, match=r"service one: there is no program \./walk\.sh"):
        program(Service(name="one", command=("./walk.sh",)), tmp_path)


def test_the_help_shows_the_file_line_by_line():
    """Mutant: the docstring of `command` raw, so that click is given no backspace."""
    shown = CliRunner().invoke(cli, ["dev", "--help"]).stdout
    assert re.search(r"^ *services:\n +- name: orders ", shown, re.MULTILINE)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_holds_what_the_runner_and_the_cluster_need(name):
    folder = ROOT / "examples" / name
    for file in ("README.md", "schema.sql", "channels.yaml", "kubernetes.yaml", "services.yaml"):
        assert (folder / file).exists(), file
    for service in load(folder / "services.yaml").services:
        assert (folder / service.command[-1]).exists()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"image: notifychannel/sidecar:{version}\n" in (folder / "kubernetes.yaml").read_text()
    channels = [it for it in yaml.safe_load_all((folder / "channels.yaml").read_text()) if it]
    groups = {consumer["group"] for channel in channels for consumer in channel["spec"]["consumers"]}
    assert groups == load(folder / "services.yaml").groups
    labelled = re.findall(r"notifychannel\.io/inject: (\S+)", (folder / "kubernetes.yaml").read_text())
    assert set(labelled) == groups


def test_make_starts_each_example_from_its_three_files():
    """Mutant: the target of one file, `-f examples/alert-delivery/…`."""
    targets = [f"example-{it}" for it in EXAMPLES]
    words = ["make", "-n", "-o", ".venv/ready", *targets]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # not make test's
    printed = subprocess.run(words, cwd=ROOT, env=outside, capture_output=True, text=True, check=True).stdout
    started = re.findall(r"notifychannel (dev [^|{]*)", printed.replace("\\\n", ""))
    files = "dev -f examples/{0}/channels.yaml --schema examples/{0}/schema.sql --services examples/{0}/services.yaml"
    assert [" ".join(it.split()) for it in started] == [files.format(it) for it in EXAMPLES]


def lines(*files):
    """Without empty ones and comments."""
    texts = [line.strip() for file in files for line in file.read_text().splitlines()]
    return len([line for line in texts if line and not line.startswith("#")])


def imported(folder, programs):
    """Files of the folder that these take something from."""
    found = re.findall(r"^from (\w+) import", "".join((folder / it).read_text() for it in programs), re.MULTILINE)
    return {f"{it}.py" for it in found if (folder / f"{it}.py").exists()}


OTHERS = {"receiver.py", "scraper.py"}
"""Stand in for what is elsewhere."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_table_of_examples_counts_what_is_left_to_write(name):
    folder = ROOT / "examples" / name
    programs = {service.command[-1] for service in load(folder / "services.yaml").services} - OTHERS
    while more := imported(folder, programs) - programs:
        programs |= more
    counted = (lines(folder / "channels.yaml"), lines(*(folder / it for it in programs)))
    (row,) = [
        line for line in (ROOT / "examples" / "README.md").read_text().splitlines() if f"[{name}]({name}/" in line
    ]
    assert "{} lines of YAML, {} of application".format(*counted) in row
