"""Scripts of tests/cluster, tried without a cluster: other commands stand in for docker, make and pytest."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "cluster"
GUARD_S = 60


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A clone's tests/cluster with some scripts, its cache, and a folder in front of PATH."""

    scripts: Path
    commands: Path
    environment: dict[str, str]

    def stands_in(self, name: str, text: str) -> None:
        """A script of the folder, or a command."""
        folder = self.scripts if (SCRIPTS / name).exists() else self.commands
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)

    def start(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.scripts / command[0]), *command[1:]], env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, *command: str) -> tuple[int, str]:
        process = self.start(*command)
        said, _ = process.communicate(timeout=GUARD_S)
        return process.returncode, said


@pytest.fixture
def bench(tmp_path):
    scripts, commands = tmp_path / "clone" / "tests" / "cluster", tmp_path / "commands"
    for folder in (scripts, commands):
        folder.mkdir(parents=True)
    for name in ("settings", "versions", "e2e", "test-images", "with-cluster", "start-docker", "up"):
        shutil.copy(SCRIPTS / name, scripts / name)
    environment = {
        "PATH": f"{commands}:{os.environ['PATH']}", "HOME": str(tmp_path),
        "NOTIFYCHANNEL_CACHE": str(tmp_path / "cache"), "NOTIFYCHANNEL_KUBECONFIG": "somewhere",
    }  # fmt: skip
    made = Bench(scripts=scripts, commands=commands, environment=environment)
    made.stands_in("neighbour-images", 'echo "neighbour-images: postgres is 222 MB, application 243 MB"')
    made.stands_in("make", 'echo "Building ..."; echo "notifychannel/operator:e2e: 180 MB"')
    for name in ("base-image", "load-image", "docker", "build-programs"):
        made.stands_in(name, "exit 0")
    return made


def ends(bench, *, together, alone):
    """A pytest that ends like this in the two phases."""
    bench.stands_in("some-pytest", f'case "$*" in *"not alone"*) exit {together} ;; *) exit {alone} ;; esac')


@pytest.mark.parametrize(
    ("together", "alone", "code"), [(0, 0, 0), (0, 5, 0), (5, 0, 0), (5, 5, 1), (1, 0, 1), (1, 5, 1), (0, 2, 2)]
)
def test_a_selection_may_leave_one_phase_without_a_test_and_not_both(bench, together, alone, code):
    """Mutant: `e2e` without its look at `ran`: a typing error after -k is a success."""
    ends(bench, together=together, alone=alone)
    found, said = bench.run("e2e", "some-pytest", "-k", "typo")
    assert found == code
    assert ("no test was selected by: some-pytest -k typo" in said) == ((together, alone) == (5, 5))


def test_the_sizes_of_the_images_are_shown_and_what_else_a_build_says_is_not(bench):
    """Mutant: `sizes` without its 3."""
    _, said = bench.run("test-images")
    assert "\nnotifychannel/operator:e2e: 180 MB\n" in said
    assert "postgres is 222 MB, application 243 MB\n" in said
    assert "Building" not in said


def test_what_to_type_for_a_cluster_that_is_up_is_one_line_with_its_kubeconfig_and_its_programs(bench, tmp_path):
    """As `make cluster-images` ends. Mutant: without PATH, where kubectl and helm are."""
    cache = tmp_path / "cache" / "cluster"
    script = f'. {bench.scripts}/settings; typed "/a b/kubeconfig"'
    said = subprocess.run(["bash", "-c", script], env=bench.environment, capture_output=True, text=True, check=True)
    typed = said.stdout.splitlines()[-1]
    shell = ["bash", "-c", f'{typed}; echo "$KUBECONFIG $PATH"']
    shown = subprocess.run(shell, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True)
    assert shown.stdout == f"/a b/kubeconfig {cache}/bin:/usr/bin:/bin\n"
    assert all("typed" in (SCRIPTS / each).read_text() for each in ("up", "with-cluster", "example-images"))


def test_images_that_can_not_be_built_end_the_run_and_say_why(bench):
    """Mutant: `with-cluster` without its `wait`: the tests begin all the same."""
    bench.stands_in("make", "echo there is no pip; exit 2")
    bench.stands_in("up", "exit 0")
    code, said = bench.run("with-cluster", "--beside", "test-images", "echo", "the tests begin")
    assert code == 1
    assert "there is no pip" in said
    assert "the tests begin" not in said


def test_a_second_run_of_a_clone_waits_until_the_first_has_ended_with_its_tests(bench, tmp_path):
    """Its cluster would be replaced under it. Mutant: `with-cluster` without `alone`."""
    del bench.environment["NOTIFYCHANNEL_KUBECONFIG"]
    log, go = tmp_path / "log", tmp_path / "go"
    os.mkfifo(go)
    for name in ("up", "down"):
        bench.stands_in(name, f'. "$(dirname "$0")/settings"; alone "$CLUSTER"; echo {name} >>{log}')
    bench.stands_in("some-tests", f'echo "$1 begins" >>{log}; [ $1 = second ] || read -r <{go}; echo "$1 ends" >>{log}')
    first = bench.start("with-cluster", "some-tests", "first")
    deadline = time.monotonic() + GUARD_S
    while not (log.exists() and "first begins" in log.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    second = bench.start("with-cluster", "some-tests", "second")
    line = second.stdout.readline()
    assert "waiting for another run" in line
    go.write_text("\n")
    assert first.wait(GUARD_S) == second.wait(GUARD_S) == 0
    first.stdout.close()
    second.stdout.close()
    one = ["up", "{} begins", "{} ends", "down"]
    assert log.read_text().splitlines() == [line.format(name) for name in ("first", "second") for line in one]


def test_an_engine_that_is_starting_is_waited_for_and_no_second_one_is_started(bench, tmp_path):
    """Mutant: `start-docker` without `another`."""
    asked = tmp_path / "asked"
    bench.stands_in("docker", f'echo >>{asked}; [ "$(wc -l <{asked})" -ge 3 ]')
    bench.stands_in("pgrep", "echo $PPID")
    bench.stands_in("dockerd", f"touch {tmp_path}/started")
    code, said = bench.run("start-docker")
    assert code == 0, said
    assert "is an engine that does not answer yet: waiting for it" in said
    assert not (tmp_path / "started").exists()
