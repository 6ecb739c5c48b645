"""The README states only what is so: its YAML is a channel, its commands exist. Its links: test_links.py."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from click.testing import CliRunner

from notifychannel_cli.__main__ import cli
from notifychannel_operator import manifest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
ON_A_CLUSTER = re.search(r"^## On a cluster\n(.*?)^## ", README, re.DOTALL | re.MULTILINE)[1]
COMMANDS = re.findall(r"^```sh\n(.*?)^```", ON_A_CLUSTER, re.DOTALL | re.MULTILINE)


def test_the_channel_in_the_readme_is_accepted():
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (channel,) = manifest.parse(text, file="README.md")
    assert channel.name == "orders"


def test_every_command_of_the_readme_exists_and_takes_the_options_shown():
    for line in re.findall(r"`notifychannel ([a-z].*?)`", README):
        name, *words = line.split()
        shown = CliRunner().invoke(cli, [name, "--help"])
        assert shown.exit_code == 0, line
        for option in (word for word in words if word.startswith("-")):
            assert option in shown.output, f"{line}: {option}"


def test_the_two_commands_of_the_readme_are_what_ci_runs():
    ci = [line.partition(" &")[0] for line in (ROOT / ".ci" / "run").read_text().splitlines()]
    assert {"make lint", "make test", "make demo"} <= set(ci)


def test_the_way_onto_a_cluster_is_five_commands_that_say_what_they_print_and_one_block_to_be_rid_of_it():
    """tests/e2e/test_readme_cluster.py runs them."""
    *five, away = COMMANDS
    assert len(five) == 5
    assert all(re.search(r"(# .*\n)+$", block) for block in five)
    assert away.startswith("helm uninstall")


def test_the_commands_on_a_cluster_name_files_charts_namespaces_and_groups_that_are_there():
    text = "".join(COMMANDS)
    files = re.findall(r"(?:-f |\binstall notifychannel )(\S+)", text)
    assert [name for name in files if not (ROOT / name).exists()] == []
    found = [each for name in files if name.endswith(".yaml") for each in yaml.safe_load_all((ROOT / name).read_text())]
    names = {(each["kind"], each["metadata"]["name"]) for each in found}
    assert {
        ("Deployment", name) for name in re.findall(r"deployment[/ ](?!--)([\w-]+)", text.replace("wait ", ""))
    } <= names
    (channel,) = (each for each in found if each["kind"] == "NotifyChannel")
    assert set(re.findall(r"notifychannel.io/inject[=:] ?([\w-]+)", text)) == {
        consumer["group"] for consumer in channel["spec"]["consumers"]
    }
    assert {each["metadata"].get("namespace", "shop") for each in found} == set(re.findall(r"-n (\S+)", text))


def test_versions_in_the_readme_are_the_chart_s():
    chart = yaml.safe_load((ROOT / "charts" / "notifychannel" / "Chart.yaml").read_text())
    found = re.findall(r"(?:NotifyChannel |notifychannel/\w+:)(\d\S*?)[ `]", ON_A_CLUSTER)
    assert set(found) == {chart["appVersion"]}
    oldest = chart["kubeVersion"].removeprefix(">=").removesuffix(".0-0")
    assert f"Kubernetes {oldest} or newer" in ON_A_CLUSTER


def test_make_targets_that_pages_name_exist():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    targets |= {f"example-{path.parent.name}" for path in (ROOT / "examples").glob("*/services.yaml")}
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        named = " ".join(
            re.findall(r"(?:^|`)make ([a-z0-9 -]+?)(?=`|  | NOTIFY| E2E|$)", page.read_text(), re.MULTILINE)
        )
        assert set(named.split()) <= targets, page.name
