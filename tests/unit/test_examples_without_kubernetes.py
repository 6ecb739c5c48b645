"""The Compose file and the systemd unit, checked as far as they can be without running them as root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from notifychannel_operator.manifest import load
from notifychannel_sidecar.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "examples" / "compose"
UNIT = ROOT / "examples" / "systemd" / "notifychannel-sidecar.service"
PAGE = (ROOT / "docs" / "without-kubernetes.md").read_text()
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
VARIABLES = set(re.findall(r"NOTIFYCHANNEL_[A-Z_]+", Path(sys.modules[Settings.__module__].__file__).read_text()))
DIRECTIVES = {
    "Unit": {"Description", "Wants", "After"},
    "Service": {
        "Type", "ExecStart", "Environment", "User", "Group", "KillSignal", "KillMode", "TimeoutStopSec", "Restart",
        "RestartSec", "RestartPreventExitStatus", "MemoryMax", "NoNewPrivileges", "CapabilityBoundingSet",
        "ProtectSystem", "ProtectHome", "ProtectKernelTunables", "ProtectKernelModules", "ProtectControlGroups",
        "PrivateTmp", "PrivateDevices", "RestrictAddressFamilies", "RestrictNamespaces", "LockPersonality",
        "SystemCallArchitectures",
    },
    "Install": {"WantedBy"},
}  # fmt: skip
"""Those of systemd.unit(5), systemd.service(5) and systemd.exec(5) that the example uses."""
SERVICE_KEYS = {
    "image", "build", "environment", "ports", "volumes", "command", "network_mode", "depends_on", "user", "read_only",
    "cap_drop", "security_opt", "mem_limit", "restart", "stop_signal", "stop_grace_period", "healthcheck",
}  # fmt: skip
"""Those of the Compose specification that the example uses."""


def services() -> dict:
    return yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]


def directives() -> list[tuple[str, str, str]]:
    section, found = "", []
    for line in UNIT.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            name, equals, value = line.partition("=")
            assert equals, line
            found.append((section, name, value))
    return found


def unit_environment() -> dict[str, str]:
    return dict(value.split("=", 1) for _, name, value in directives() if name == "Environment")


def test_the_unit_has_only_directives_that_systemd_knows():
    assert {(section, name) for section, name, _ in directives()} == {
        (section, name) for section, names in DIRECTIVES.items() for name in names
    }


def test_the_unit_is_accepted_by_systemd_where_there_is_one(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return  # the test above has read it; here is nobody else to ask
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"(?m)^ExecStart=.*$", f"ExecStart={sys.executable}", UNIT.read_text()))
    done = subprocess.run([analyze, "verify", str(copy)], capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if copy.name in line]
    assert (done.returncode, complaints) == (0, [])


def test_the_unit_starts_the_program_of_the_package_with_variables_that_it_reads():
    ((command),) = [value for _, name, value in directives() if name == "ExecStart"]
    assert Path(command).name in SCRIPTS
    environment = unit_environment()
    assert set(environment) <= VARIABLES
    settings = Settings.from_env(environment)
    assert settings.config == Path("/etc/notifychannel/config.json")
    assert settings.status_port == 9789


def test_the_compose_file_has_only_keys_of_the_specification():
    for service in services().values():
        assert set(service) <= SERVICE_KEYS


def test_the_compose_file_is_accepted_by_compose_where_there_is_one():
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        return  # the tests around this one have read it; here is nobody else to ask
    done = subprocess.run(
        [docker, "compose", "-f", str(COMPOSE / "compose.yaml"), "config", "--quiet"],
        capture_output=True, text=True, check=False, env={**os.environ, "COMPOSE_DISABLE_ENV_FILE": "1"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_the_sidecar_of_the_compose_file_is_in_the_application_s_network_and_stops_before_it():
    sidecar = services()["sidecar"]
    assert sidecar["network_mode"] == "service:application"
    assert "application" in sidecar["depends_on"]
    (program,) = sidecar["command"]
    assert program in SCRIPTS
    assert set(sidecar["environment"]) <= VARIABLES
    settings = Settings.from_env(sidecar["environment"])
    ((source, target, mode),) = [volume.split(":") for volume in sidecar["volumes"]]
    assert (source, mode) == ("./run", "ro")
    for path in (settings.config, settings.secret):
        assert path.is_relative_to(target)
        assert f"run/{path.relative_to(target)}" in PAGE
    assert f"127.0.0.1:{settings.status_port}/livez" in sidecar["healthcheck"]["test"][-1]


def test_both_leave_more_time_to_finish_than_the_sidecar_takes():
    finish_s = int(re.search(r"for up to (\d+) s", (ROOT / "docs" / "sidecar.md").read_text())[1])
    (unit_s,) = [int(value) for _, name, value in directives() if name == "TimeoutStopSec"]
    compose_s = int(services()["sidecar"]["stop_grace_period"].removesuffix("s"))
    assert min(unit_s, compose_s) >= finish_s + 5
    assert services()["sidecar"]["stop_signal"] == "SIGTERM"
    assert ("Service", "KillSignal", "SIGTERM") in directives()


def test_what_the_compose_file_mounts_is_there():
    for service in services().values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (COMPOSE / source).exists() or f"mkdir -p {source.removeprefix('./')}/" in PAGE


def test_the_channel_is_for_the_application_of_the_example():
    (channel,) = load(COMPOSE / "orders.yaml")
    (consumer,) = channel.consumers
    assert f'"PORT", "{consumer.endpoint.port}"' in (COMPOSE / "application.py").read_text()
    assert f"--group {consumer.group}" in PAGE


@pytest.mark.parametrize("word", ["compose.yaml", "notifychannel-sidecar.service", "application.py"])
def test_the_page_leads_to_the_files(word):
    (link,) = {link for link in re.findall(r"\]\((\.\./[^)]+)\)", PAGE) if link.endswith(word)}
    assert (ROOT / "docs" / link).resolve().is_file()
