"""`notifychannel doctor` without a server: the list, the page, exit codes, and judgements that need a moment's luck."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from notifychannel_cli.commands import cli
from notifychannel_cli.doctor import checks, examination, report
from notifychannel_cli.doctor.backlog import CAP_BYTES, LARGE_BYTES, Outbox, Waiting, outbox, queue
from notifychannel_cli.doctor.commit_lock import CommitLook, commit_lock
from notifychannel_cli.doctor.finding import Trouble, Unseen, Verdict, judged
from notifychannel_cli.doctor.notify_queue import Held, Look, NotifyQueue, Sureness, notify_queue
from notifychannel_cli.exits import Exit
from notifychannel_operator.passes import outbox as passes

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "doctor.md").read_text()
ASLEEP = Held(
    pid=11, transaction="3/7", database="shop", role="app", application="", state="idle in transaction", wait=None,
    age_s=90.0, is_sidecar=False,
)  # fmt: skip
SIDECAR = replace(ASLEEP, pid=12, transaction="4/1", application="nch/0a1b2c3d/pod", is_sidecar=True)


def test_every_check_is_listed_is_judged_once_and_stands_on_the_page():
    ids = [it.id for it in checks.EVERY]
    assert len(ids) == len(set(ids))
    assert {*examination.OF_CLUSTER, *examination.OF_DATABASE} == set(checks.EVERY)
    assert re.findall(r"^\| `(\w+/[\w-]+)`", PAGE, re.MULTILINE) == ids
    lines = CliRunner().invoke(cli, ["doctor", "--list"]).output.splitlines()[1:]
    assert [line.split()[0] for line in lines] == ids
    listed = json.loads(CliRunner().invoke(cli, ["doctor", "--list", "--json"]).output)
    assert [it["check"] for it in listed] == ids
    assert all(it["sentence"] for it in listed)


@pytest.mark.parametrize("arguments", [["--list"], ["--list", "--json"]])
def test_it_ends_quietly_and_with_its_own_code_where_nobody_reads(arguments):
    """`| head`, under `set -o pipefail`. Mutant: without `while_read` the code is 1: something is wrong."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "notifychannel_cli", "doctor", *arguments]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False, timeout=120)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_without_a_kubeconfig_it_says_so_and_calls_nothing_well():
    arguments = ["doctor", "--json", "--kubeconfig", "/nowhere/config"]
    result = CliRunner().invoke(cli, arguments, env={"NOTIFYCHANNEL_DSN": None})
    assert result.exit_code == Exit.UNREACHABLE
    found = {it["check"]: it for it in json.loads(result.output)["findings"]}
    assert found["cluster/reachable"]["verdict"] == "failed"
    assert "--kubeconfig" in found["cluster/reachable"]["why"]
    assert {it["verdict"] for check, it in found.items() if check != "cluster/reachable"} == {"not checked"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "asking the cluster …".encode()),
        (["--dsn", "postgresql://127.0.0.1:1/x"], b"and the database"),
        (["--json"], b""),
    ],
)
def test_who_waits_at_a_terminal_is_told_that_it_asks_and_a_program_is_not(more, said):
    """On standard error, and only where that is a terminal."""
    command = [sys.executable, "-m", "notifychannel_cli", "doctor", "--kubeconfig", "/nowhere/config", *more]
    leader, terminal = os.openpty()
    seen = subprocess.run(command, stdout=subprocess.PIPE, stderr=terminal, check=False, timeout=120)
    os.close(terminal)
    shown = b""
    with os.fdopen(leader, "rb", buffering=0) as heard, suppress(OSError):  # nothing was said, and nobody will
        shown = heard.read(1000)
    assert said in shown
    assert bool(shown) == bool(said)
    assert b"asking" not in seen.stdout
    if not more:
        piped = subprocess.run(command, capture_output=True, check=False, timeout=120)
        assert piped.stderr == b""


def test_what_was_not_seen_is_never_well():
    (found,) = judged(checks.OUTBOX, Unseen(why="no right", remedy=("give one",)), outbox)
    assert (found.verdict, found.why, found.remedy) == (Verdict.NOT_CHECKED, "no right", ("give one",))


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        (0, Exit.OK),
        (Trouble(why="w", remedy=(), is_warning=True), Exit.OK),
        (Trouble(why="w", remedy=()), Exit.WRONG),
        (Unseen(why="w"), Exit.OK),
        (Unseen(why="w", is_unreachable=True), Exit.UNREACHABLE),
    ],
)
def test_the_exit_code_tells_wrong_from_unreachable_and_a_warning_from_both(seen, code):
    troubles = (seen,) if isinstance(seen, Trouble) else ()
    found = [*judged(checks.OUTBOX, seen, lambda _: troubles), *judged(checks.QUEUE, 0, lambda _: ())]
    assert report.code(found) is code


def test_a_report_has_sections_signs_why_and_remedy():
    trouble = Trouble(about="shop/orders", why="this\nand that", remedy=("mend it",))
    found = [
        *judged(checks.TABLES, 0, lambda _: (trouble,)),
        *judged(checks.OUTBOX, 0, lambda _: ()),
        *judged(checks.QUEUE, Unseen(why="no right"), queue),
    ]
    assert [line for line, _ in report.lines(found)] == [
        "channel",
        "-------",
        "\N{MULTIPLICATION SIGN} shop/orders: this (channel/tables)",
        "    and that",
        "      mend it",
        "",
        "database",
        "--------",
        f"√ {checks.OUTBOX.sentence}",
        f"\N{EN DASH} {checks.QUEUE.sentence} (database/queue)",
        "    not checked: no right",
        "",
        "1 failed, 1 not checked, 1 well",
    ]


def test_why_several_checks_in_a_row_were_not_made_is_said_once():
    nowhere = Unseen(why="no cluster was named", remedy=("name one",))
    found = [*judged(checks.CRD, nowhere, lambda _: ()), *judged(checks.LEADER, nowhere, lambda _: ())]
    assert [line for line, _ in report.lines(found)] == [
        "cluster",
        "-------",
        f"\N{EN DASH} {checks.CRD.sentence} (cluster/crd)",
        f"\N{EN DASH} {checks.LEADER.sentence} (cluster/leader)",
        "    not checked: no cluster was named",
        "      name one",
        "",
        "2 not checked",
    ]


def test_what_was_not_checked_for_want_of_a_cluster_is_one_line_and_every_finding_in_the_json():
    """Mutant: `MANY` of 100: fourteen lines before the first that says anything."""
    found = examination.findings(None, Unseen(why="no database was named"))
    shown = [line for line, _ in report.lines(found)]
    assert (
        "\N{EN DASH} not checked, no cluster was named: cluster (7), channel/conditions, channel/secret, pods (5)"
        in shown
    )
    assert "      notifychannel doctor -A" in shown
    assert len(shown) < 10
    assert {it["check"] for it in report.as_json(found)["findings"]} == {it.id for it in checks.EVERY}


def test_why_nothing_was_checked_of_what_is_away_stands_where_that_failed():
    away = Unseen(why="nobody listens there", remedy=("ask",), is_unreachable=True)
    shown = [line for line, _ in report.lines(examination.findings(None, away))]
    assert [line for line in shown if "nobody listens there" in line or line.strip() == "ask"] == [
        "\N{MULTIPLICATION SIGN} nobody listens there (database/reachable)", "      ask",
    ]  # fmt: skip
    assert "\N{EN DASH} not checked: channel (7), database (13)" in shown


def test_a_headline_is_what_is_so():
    """Mutant: the check's sentence, which says that nobody is where somebody is."""
    found = judged(checks.NOTIFY_QUEUE, held(SIDECAR, usage=0.2), notify_queue)
    (headline, _), *_ = [it for it in report.lines(tuple(found)) if "(database/notify-queue)" in it[0]]
    assert "the NOTIFY queue is 20% full" in headline
    assert checks.NOTIFY_QUEUE.sentence not in headline


def held(*sessions, usage=1e-4, before=None, named=None):
    look = Look(usage=usage, pages=1_048_576, held=sessions)
    return NotifyQueue(before=look if before is None else replace(look, held=before), after=look, named=named)


def test_of_those_that_stay_in_a_transaction_the_surest_are_named():
    assert [sureness for sureness, _ in held(ASLEEP, SIDECAR).holders] == [Sureness.LIKELY, Sureness.POSSIBLE]
    (found,) = notify_queue(held(ASLEEP, SIDECAR))
    assert "PID 12" in found.why
    assert "PID 11" not in found.why
    assert found.is_warning
    (found,) = notify_queue(held(ASLEEP, SIDECAR, usage=0.7, named=11))
    assert "PID 11 (" in found.why
    assert "certain" in found.why
    assert not found.is_warning


def test_who_does_not_read_what_it_is_sent_is_as_likely_as_a_sidecar():
    (found,) = notify_queue(held(replace(ASLEEP, wait="ClientWrite")))
    assert "waits for its client to read" in found.why
    assert "likely" in found.why


def test_a_transaction_that_began_between_the_looks_holds_nothing_nor_does_an_empty_queue():
    assert list(notify_queue(held(SIDECAR, before=(replace(SIDECAR, transaction="4/0"),)))) == []
    assert list(notify_queue(held(SIDECAR, usage=0.0))) == []
    lazy = 4 / 1_048_576  # an idle listener of another database may be so far behind
    assert list(notify_queue(held(SIDECAR, usage=lazy))) == []


def test_a_full_queue_that_nobody_seen_holds_is_a_failure_all_the_same():
    (found,) = notify_queue(held(usage=0.2))
    assert "no session is seen" in found.why
    (found,) = notify_queue(held(usage=0.6, named=77))
    assert "PID 77: certain" in found.why


def test_a_commit_that_waits_for_a_moment_is_nothing_and_one_at_each_look_is_told():
    look = CommitLook(waiting=1, longest_s=0.01, holder=5, holder_wait="WALSync")
    idle = replace(look, waiting=0, longest_s=0.0)
    assert list(commit_lock((idle, look, idle))) == []
    (found,) = commit_lock((look, look, replace(look, waiting=3)))
    assert found.is_warning
    assert "PID 5" in found.why
    assert "WALSync" in found.why
    assert '"capture": "Outbox"' in found.remedy[0]


def test_a_queue_that_is_slow_and_an_outbox_that_is_large_are_warnings():
    slow = Waiting(channel="shop/jobs", group="api", is_suspended=False, waiting=3, dead=0, claimers=1, oldest_s=400.0)
    (found,) = queue([slow, replace(slow, is_suspended=True), replace(slow, oldest_s=10.0)])
    assert found.is_warning
    assert "6m 40s" in found.why
    (found,) = outbox(Outbox(rows=5, size_bytes=LARGE_BYTES, is_left=False))
    assert found.is_warning
    assert list(outbox(None)) == []
    assert passes.CAP_BYTES == CAP_BYTES
