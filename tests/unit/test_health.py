"""The status port, the settings and the log lines."""

from __future__ import annotations

import json
import logging
import re
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


async def test_a_taken_port_is_an_error_and_not_silence():
    def serving(port):
        return health.serve(host="127.0.0.1", port=port, status=dict, metrics=bytes)

    async with serving(0) as port:
        with pytest.raises(OSError, match="address already in use"):
            async with serving(port):
                pass


def test_settings_have_defaults_for_all_but_the_files():
    settings = Settings.from_env(LEAST)
    assert settings.config == Path("/c.json")
    assert (settings.status_host, settings.status_port, settings.max_keys) == ("0.0.0.0", 9789, 100_000)
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


def test_a_log_line_is_one_json_object():
    record = logging.LogRecord(
        "notifychannel_sidecar.x", logging.WARNING, "f", 1, "trying again in %.1f s", (2.1,), None
    )
    line = JsonFormatter().format(record)
    assert json.loads(line)["message"] == "trying again in 2.1 s"
    assert json.loads(line)["level"] == "warning"
    assert "\n" not in line
