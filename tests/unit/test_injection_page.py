"""docs/injection.md says what the injector does: its reasons, annotations, settings, metrics, and what is added."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from notifychannel_operator import inject
from notifychannel_operator.inject import container, request, volumes
from notifychannel_operator.injector.metrics import Metrics
from notifychannel_operator.injector.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "injection.md").read_text()


def rows(heading: str) -> dict[str, list[str]]:
    """The first cell, without its quotes → all cells, of the tables under a heading."""
    section = re.split(r"^## ", PAGE.partition(f"## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return {cells[0].strip(" `"): [cell.strip() for cell in cells] for cells in lines}


def test_every_reason_has_its_row_and_what_to_do_where_there_is_something():
    found = rows("Why not")
    assert list(found) == [reason.value for reason in inject.Reason]
    silent = {"Injected", "NoLabel", "NotACreation"}
    assert {name for name, cells in found.items() if not cells[2]} == silent


def test_every_annotation_has_its_row_with_its_default():
    found = rows("Annotations of the pod")
    assert set(found) == {
        request.SECRET, request.STATUS_PORT, request.LOCAL_PORT, request.MEMORY, request.FINGERPRINT,
    }  # fmt: skip
    assert found[request.STATUS_PORT][1] == f"`{request.DEFAULT_STATUS_PORT}`"
    assert found[request.LOCAL_PORT][1] == f"`{request.DEFAULT_LOCAL_PORT}`"
    assert inject.Settings(image="x").memory in found[request.MEMORY][1]


@pytest.mark.parametrize(
    "said",
    [container.NAME, *volumes.NAMES, volumes.FILES_PATH, volumes.TOKEN_PATH, f"runAsUser: {container.UID}"],
)
def test_what_is_added_is_named(said):
    section = PAGE.partition("## What is added")[2].partition("## Why not")[0]
    assert f"`{said}`" in section


def test_every_setting_has_its_row_with_its_default():
    needed = {"NOTIFYCHANNEL_TLS_DIR": "/tls", "NOTIFYCHANNEL_SIDECAR_IMAGE": "x"}
    asked: list[str] = []

    class Environment(dict):
        def get(self, name, default=None):
            asked.append(name)
            return super().get(name, default)

    made = Settings.from_env(Environment(needed))
    found = {name: cells[1] for name, cells in rows("The injector").items() if name.startswith("NOTIFYCHANNEL_")}
    assert set(found) == set(asked)
    assert made.host is None
    assert made.sidecar.otlp_endpoint == ""
    values = {"every address, IPv4 and IPv6", "none"} | {
        f"`{it}`" for it in (made.port, made.http_port, made.log_format)
    }
    sidecar = made.sidecar
    values |= {f"`{value}`" for value in (sidecar.pull_policy, sidecar.memory, sidecar.cpu_request, sidecar.cpu_limit)}
    assert {value for name, value in found.items() if name not in needed} == values
    assert {found[name] for name in needed} == {"(required)"}


def test_every_metric_has_its_row():
    metrics = Metrics(version="1", is_ready=lambda: True, certificate_expires_s=lambda: 0.0)
    ours = {
        family.name: (family.type, family.documentation)
        for family in metrics.registry.collect()
        if family.name.startswith("notifychannel_")
    }
    found = {name: cells for name, cells in rows("The injector").items() if name.startswith("notifychannel_")}
    assert {name: (cells[1], cells[3]) for name, cells in found.items()} == ours
