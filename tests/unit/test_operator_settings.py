"""The operator's settings, its port and its log."""

from __future__ import annotations

import errno
import json
import logging
import re
import socket
from pathlib import Path

import aiohttp
import pytest

from notifychannel_operator import health
from notifychannel_operator.environment import SettingsError
from notifychannel_operator.log import JsonFormatter
from notifychannel_operator.settings import CertificateSource, Settings

PAGE = Path(__file__).parents[2] / "docs" / "operator.md"
LEAST = {
    "NOTIFYCHANNEL_NAMESPACE": "notifychannel", "NOTIFYCHANNEL_FULLNAME": "nc", "NOTIFYCHANNEL_POD": "nc-operator-0",
    "KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443",
}  # fmt: skip


def test_settings_have_defaults_for_all_but_the_place():
    settings = Settings.from_env(LEAST)
    assert (settings.watch_namespaces, settings.webhook, settings.certificate) == ((), "", CertificateSource.OWN)
    assert (settings.pass_interval_s, settings.concurrency, settings.http_port) == (60, 10, 8080)
    assert (settings.log_format, settings.http_host) == ("json", None)
    assert (settings.place.host, settings.place.kubeconfig) == ("10.96.0.1", None)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("NOTIFYCHANNEL_NAMESPACE", "", "NOTIFYCHANNEL_NAMESPACE is missing: it says the namespace of the release"),
        ("NOTIFYCHANNEL_FULLNAME", "Big Name", "NOTIFYCHANNEL_FULLNAME is 'Big Name': write lower-case letters"),
        ("NOTIFYCHANNEL_POD", "", "NOTIFYCHANNEL_POD is missing: it says the pod's name"),
        ("NOTIFYCHANNEL_WATCH_NAMESPACES", "shop,../kube", "NOTIFYCHANNEL_WATCH_NAMESPACES is '../kube'"),
        ("NOTIFYCHANNEL_CERTIFICATE", "cert-manager", "is 'cert-manager': write own or external"),
        ("NOTIFYCHANNEL_PASS_INTERVAL", "1m", "PASS_INTERVAL is '1m': write a whole number from 1 to 3600"),
        ("NOTIFYCHANNEL_CONCURRENCY", "0", "from 1 to 100"),
        ("NOTIFYCHANNEL_HTTP_PORT", "70000", "from 0 to 65535"),
        ("NOTIFYCHANNEL_LOG", "xml", "write json or text"),
        ("KUBERNETES_SERVICE_HOST", "", "outside a pod set KUBECONFIG"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_is_named_with_what_to_write(name, text, sentence):
    with pytest.raises(SettingsError, match=re.escape(sentence)):
        Settings.from_env({**LEAST, name: text})


def test_a_kubeconfig_wins_and_needs_no_pod():
    settings = Settings.from_env({**LEAST, "KUBECONFIG": "/k", "KUBERNETES_SERVICE_HOST": ""})
    assert settings.place.kubeconfig == Path("/k")


@pytest.mark.parametrize(
    ("watched", "namespace"),
    [("", "notifychannel"), ("a,notifychannel", "notifychannel"), ("shop, billing", "billing")],
)
def test_the_canary_lives_where_the_watch_reaches(watched, namespace):
    settings = Settings.from_env({**LEAST, "NOTIFYCHANNEL_WATCH_NAMESPACES": watched})
    assert settings.canary_namespace == namespace


def test_the_page_names_every_variable():
    used = set(
        re.findall(r"(?:NOTIFYCHANNEL|KUBE)[A-Z]*_?[A-Z_]+", Path(Settings.from_env.__code__.co_filename).read_text())
    )
    told = set(re.findall(r"^\| `([A-Z_]+)`", PAGE.read_text(), re.MULTILINE))
    assert {name for name in used if name.startswith(("NOTIFYCHANNEL_", "KUBE"))} <= told


async def test_where_the_node_has_switched_ipv6_off_it_is_served_over_ipv4(monkeypatch):
    """Mutant: `_everywhere` that raises every OSError: operator and injector end with exit code 1."""
    create = socket.create_server

    def refusing(address, **options):
        if options.get("family") is socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return create(address, **options)

    monkeypatch.setattr(socket, "create_server", refusing)
    serving = health.serve(host=None, port=0, illness=lambda: None, unready=lambda: None, metrics=bytes)
    async with serving as port, aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/livez") as it:
        assert it.status == 200


async def test_illness_and_unreadiness_are_told_in_words():
    said = {"illness": None, "unready": "not yet"}
    serving = health.serve(
        host="127.0.0.1",
        port=0,
        illness=lambda: said["illness"],
        unready=lambda: said["unready"],
        metrics=lambda: b"x 1\n",
    )
    async with serving as port, aiohttp.ClientSession() as session:

        async def get(path):
            async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                return answer.status, await answer.text()

        assert await get("/livez") == (200, "ok\n")
        assert await get("/readyz") == (503, "not yet\n")
        said |= {"illness": "deaf", "unready": None}
        assert await get("/livez") == (503, "deaf\n")
        assert await get("/readyz") == (200, "ok\n")
        assert await get("/metrics") == (200, "x 1\n")
        assert (await get("/status"))[0] == 404


def test_a_log_line_is_one_json_object():
    record = logging.LogRecord("notifychannel_operator.x", logging.WARNING, "f", 1, "again in %.1f s\n", (2.1,), None)
    line = JsonFormatter().format(record)
    assert json.loads(line)["message"] == "again in 2.1 s\n"
    assert "\n" not in line
