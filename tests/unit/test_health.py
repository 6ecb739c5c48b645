"""The status port, the settings and the log lines."""

from __future__ import annotations

import errno
import json
import logging
import re
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from notifychannel_sidecar import health
from notifychannel_sidecar.log import JsonFormatter
from notifychannel_sidecar.settings import Settings, SettingsError

PAGE = Path(__file__).parents[2] / "docs" / "sidecar.md"
LEAST = {"NOTIFYCHANNEL_CONFIG": "/c.json", "NOTIFYCHANNEL_SECRET": "/s"}


async def test_the_three_paths_answer():
    serving = health.serve(host="127.0.0.1", port=0, status=lambda: {"state": "LISTENING"}, metrics=lambda: b"x 1\n")
    async with serving as port, aiohttp.ClientSession() as session:
        base = f"http://127.0.0.1:{port}"
        async with session.get(base + "/livez") as livez:
            assert livez.status == 200
        async with session.get(base + "/status") as status:
            assert await status.json() == {"state": "LISTENING"}
        async with session.get(base + "/metrics") as metrics:
            assert metrics.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert await metrics.read() == b"x 1\n"
        async with session.get(base + "/") as other:
            assert other.status == 404


async def test_without_a_host_both_families_reach_it_on_one_port():
    """A pod in an IPv6-only cluster. Mutant: `create_server(("", port))` for both families."""
    serving = health.serve(host=None, port=0, status=dict, metrics=bytes)
    async with serving as port, aiohttp.ClientSession() as session:
        for host in ("127.0.0.1", "[::1]"):
            async with session.get(f"http://{host}:{port}/livez") as livez:
                assert livez.status == 200


async def test_where_the_node_has_switched_ipv6_off_it_is_served_over_ipv4(monkeypatch):
    """Mutant: `_everywhere` that raises every OSError: the sidecar ends with exit code 1."""
    create = socket.create_server

    def refusing(address, **options):
        if options.get("family") is socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return create(address, **options)

    monkeypatch.setattr(socket, "create_server", refusing)
    serving = health.serve(host=None, port=0, status=dict, metrics=bytes)
    async with serving as port, aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/livez") as it:
        assert it.status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", None])
async def test_a_taken_port_is_an_error_and_not_silence(host):
    def serving(port):
        return health.serve(host=host, port=port, status=dict, metrics=bytes)

    async with serving(0) as port:
        with pytest.raises(OSError, match=r"(?i)address already in use"):
            async with serving(port):
                pass


def test_settings_have_defaults_for_all_but_the_files():
    settings = Settings.from_env(LEAST)
    assert settings.config == Path("/c.json")
    assert (settings.status_host, settings.status_port, settings.max_keys) == (None, 9789, 100_000)
    assert settings.log_format == "json"
    assert settings.pod


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("NOTIFYCHANNEL_CONFIG", "", "NOTIFYCHANNEL_CONFIG is missing: it says the path of config.json"),
        ("NOTIFYCHANNEL_STATUS_PORT", "http", "STATUS_PORT is 'http': write a whole number from 0 to 65535"),
        ("NOTIFYCHANNEL_STATUS_PORT", "70000", "from 0 to 65535"),
        ("NOTIFYCHANNEL_MAX_KEYS", "0", "from 1 to"),
        ("NOTIFYCHANNEL_MAX_KEYS", "²", "from 1 to"),
        ("NOTIFYCHANNEL_LOG", "xml", "NOTIFYCHANNEL_LOG is 'xml': write json or text"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_is_named_with_what_to_write(name, text, sentence):
    with pytest.raises(SettingsError, match=re.escape(sentence)):
        Settings.from_env({**LEAST, name: text})


def test_the_page_names_every_variable():
    used = set(re.findall(r"NOTIFYCHANNEL_[A-Z_]+", Path(Settings.from_env.__code__.co_filename).read_text()))
    assert used == set(re.findall(r"^\| `(NOTIFYCHANNEL_[A-Z_]+)`", PAGE.read_text(), re.MULTILINE))


def program(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "notifychannel_sidecar", *arguments], capture_output=True, text=True, check=False, env={}
    )


def test_help_names_every_setting_and_needs_none():
    """Mutant: the settings read before the arguments."""
    shown = program("--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    page = re.findall(r"^\| `(NOTIFYCHANNEL_[A-Z_]+)`", PAGE.read_text(), re.MULTILINE)
    assert re.findall(r"^  (NOTIFYCHANNEL_[A-Z_]+) ", shown.stdout, re.MULTILINE) == page


def test_the_version_is_told_and_an_unknown_argument_refused():
    assert re.fullmatch(r"notifychannel-sidecar \d+\.\d+\.\d+\n", program("--version").stdout)
    for argument in ("--config", "config.json"):
        refused = program(argument)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert argument in refused.stderr


def test_a_log_line_is_one_json_object():
    record = logging.LogRecord(
        "notifychannel_sidecar.x", logging.WARNING, "f", 1, "trying again in %.1f s", (2.1,), None
    )
    line = JsonFormatter().format(record)
    assert json.loads(line)["message"] == "trying again in 2.1 s"
    assert json.loads(line)["level"] == "warning"
    assert "\n" not in line
