"""The doctor's remedies that call it again keep what the person gave; and which cluster is looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from notifychannel_cli.cluster import Place
from notifychannel_cli.commands import cli
from notifychannel_cli.doctor import NO_CHANNELS, NO_DSN, checks, examination, question
from notifychannel_cli.doctor.finding import Unseen, unseen
from notifychannel_cli.doctor.given import Given

NAMESPACE = Given(place=Place(namespace="shop"), is_everywhere=False, files=(), has_dsn=False, installation=None)
EVERYTHING = Given(
    place=Place(kubeconfig="my config", context="night"), is_everywhere=True, files=("a.yaml", "b.yaml"), has_dsn=True,
    installation="prod",
)  # fmt: skip
ALONE = Given(place=Place(), is_everywhere=False, files=(), has_dsn=True, installation=None)
ORDERS = Path(__file__).parents[2] / "examples" / "cluster" / "orders.yaml"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def kept(given: Given, why: Any) -> str:
    """The command."""
    (remedy,) = given.kept(unseen(checks.OUTBOX, why)).remedy
    return remedy


def test_a_remedy_looks_where_the_person_looked():
    """Mutants: -n dropped; put behind the comment; `-n shop -A`; `--dsn` twice."""
    assert kept(NAMESPACE, NO_DSN).startswith('notifychannel doctor -n shop --dsn "$DSN"  # of the installer: ')
    assert kept(NAMESPACE, question.NO_RIGHT) == 'notifychannel doctor -n shop --dsn "$DSN_OF_THE_INSTALLER"'
    assert kept(ALONE, examination.NO_CLUSTER) == 'notifychannel doctor -A --dsn "$DSN"'
    assert kept(ALONE, NO_CHANNELS) == 'notifychannel doctor -f CHANNEL.yaml --dsn "$DSN"'
    where = "--kubeconfig 'my config' --context night -A"
    rest = "-f a.yaml -f b.yaml --installation prod"
    assert kept(EVERYTHING, examination.NO_CLUSTER) == f'notifychannel doctor {where} --dsn "$DSN" {rest}'
    assert kept(EVERYTHING, question.NO_RIGHT) == f'notifychannel doctor {where} --dsn "$DSN_OF_THE_INSTALLER" {rest}'


def test_a_remedy_that_is_not_the_doctors_is_left_alone_but_for_the_files():
    (remedy,) = EVERYTHING.kept(unseen(checks.TABLES, Unseen(why="w", remedy=("sql -f CHANNEL.yaml",)))).remedy
    assert remedy == "sql -f a.yaml -f b.yaml"


@pytest.mark.parametrize(
    ("arguments", "variable", "is_looked_at"),
    [
        (["--dsn", NOWHERE], None, False),
        (["--dsn", NOWHERE], "/nowhere/config", True),
        (["--dsn", NOWHERE, "-n", "shop"], None, True),
        (["--dsn", NOWHERE, "-f", str(ORDERS)], "/nowhere/config", False),
    ],
)
def test_beside_a_database_the_cluster_is_looked_at_that_an_option_or_the_environment_names(
    arguments, variable, is_looked_at, tmp_path
):
    """Mutants: KUBECONFIG not looked at; looked at with -f too."""
    environment = {"NOTIFYCHANNEL_DSN": None, "KUBECONFIG": variable, "HOME": str(tmp_path)}
    result = CliRunner().invoke(cli, ["doctor", "--json", *arguments], env=environment)
    found = {it["check"]: it for it in json.loads(result.stdout)["findings"]}
    why = found["cluster/crd"]["why"]
    assert (why != "no cluster was named") == is_looked_at
