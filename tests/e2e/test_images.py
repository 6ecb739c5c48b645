"""What is in the two images, and that the sidecar's runs as anybody, with nothing, on a root that can't be written."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request

import pytest

SIDECAR_ONLY = {
    "aiohappyeyeballs", "aiohttp", "aiosignal", "asyncpg", "attrs", "frozenlist", "idna", "multidict",
    "notifychannel", "prometheus_client", "propcache", "typing_extensions", "uvloop", "yarl",
}  # fmt: skip
LIST = """
import importlib.metadata as m, importlib.util as u, json
names = ("notifychannel_sidecar", "notifychannel_operator", "notifychannel_cli", "kopf", "kubernetes", "click")
print(json.dumps({
    "distributions": sorted(d.name for d in m.distributions(path=__import__("site").getsitepackages())),
    "version": m.version("notifychannel"),
    "importable": [name for name in names if u.find_spec(name)],
}))
"""


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def content(image: str) -> dict:
    return json.loads(docker("run", "--rm", "--entrypoint", "python3", image, "-c", LIST))


@pytest.fixture
def running(images):
    container = docker(
        "run", "--detach", "--read-only", "--user", "12345:12345", "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges", "--memory", "128m", "--publish", "127.0.0.1:0:9789",
        "--env", "NOTIFYCHANNEL_CONFIG=/etc/notifychannel/config/config.json",
        "--env", "NOTIFYCHANNEL_SECRET=/etc/notifychannel/secret", images["sidecar"],
    )  # fmt: skip
    yield container
    docker("rm", "--force", container)


def test_the_sidecar_runs_as_any_user_without_capabilities_on_a_read_only_root(running, record_property):
    began = time.monotonic()
    port = docker("port", running, "9789").rpartition(":")[2]
    assert answer(f"http://127.0.0.1:{port}/livez", deadline=began + 120) == "ok"
    record_property("start_s", round(time.monotonic() - began, 2))
    assert docker("exec", running, "sh", "-c", "kill -USR1 1") == ""
    while json.loads(answer(f"http://127.0.0.1:{port}/status", deadline=began + 120))["state"] != "FINISHED":
        assert time.monotonic() < began + 120
    assert "Traceback" not in docker("logs", running)
    assert docker("diff", running) == ""


def test_the_sidecar_s_image_holds_the_sidecar_and_nobody_else(images):
    """Mutant: `COPY operator operator` in Dockerfile.sidecar."""
    found = content(images["sidecar"])
    assert found["importable"] == ["notifychannel_sidecar"]
    assert set(found["distributions"]) == SIDECAR_ONLY
    programs = docker("run", "--rm", "--entrypoint", "ls", images["sidecar"], "/opt/notifychannel/bin").split()
    assert [name for name in programs if name.startswith(("notify", "kubectl", "pip"))] == ["notifychannel-sidecar"]


def test_the_operator_s_image_holds_no_tool_and_knows_its_version(images):
    found = content(images["operator"])
    assert "notifychannel_cli" not in found["importable"]
    assert {"notifychannel_operator", "notifychannel_sidecar", "kopf"} <= set(found["importable"])
    assert not {"pip", "hatchling", "setuptools"} & set(found["distributions"])
    programs = docker("run", "--rm", "--entrypoint", "ls", images["operator"], "/opt/notifychannel/bin").split()
    assert [name for name in programs if name.startswith(("notify", "kubectl", "pip"))] == [
        "notifychannel-injector", "notifychannel-operator",
    ]  # fmt: skip
    said = docker("run", "--rm", "--read-only", "--user", "12345", images["operator"], "--version")
    assert said == f"notifychannel-operator {found['version']}"


@pytest.mark.parametrize("image", ["operator", "sidecar"])
def test_an_image_says_what_it_is_and_runs_as_a_numeric_user(images, image):
    config = json.loads(docker("image", "inspect", images[image]))[0]["Config"]
    assert config["User"] == "65532:65532"
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert labels["title"] == f"notifychannel-{image}"
    assert labels["version"] == content(images[image])["version"]
    assert labels["licenses"] == "Apache-2.0"


def answer(url: str, *, deadline: float) -> str:
    """Asked until the container's port is served."""
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - http, above
                return response.read().decode().strip()
        except OSError:  # also of one that was accepted, and not answered in time
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
