"""`notifychannel dev --services` and `--schema`: several programs and their sidecars, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

import pytest

from notifychannel_cli.embedded import free_port
from tests.pages import ROOT
from tests.process import notifychannel

pytestmark = pytest.mark.slow

CHANNEL = """
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: orders}
spec:
  database: {secretRef: {name: orders-db}}
  sources:
    - {schema: public, table: orders, key: [{column: id}], rules: [{name: any, events: [Insert]}]}
  consumers:
    - {group: one, endpoint: {port: 8080, path: /hints}, debounce: {window: 10ms}}
    - {group: two, endpoint: {port: 8080, path: /hints}, debounce: {window: 10ms}}
    - {group: reader, debounce: {window: 10ms}}
    - {group: nobody, endpoint: {port: 8080, path: /hints}}
"""
SCHEMA = "CREATE TABLE orders (id int PRIMARY KEY);\nINSERT INTO orders VALUES (1);\n"
SERVICES = """
services:
  - {name: first, group: one, port: 0, command: [python, application.py]}
  - {name: second, group: two, port: 0, command: [python, application.py]}
try: [echo tried]
"""
APPLICATION = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Hints(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        print("heard", body["reason"], [hint["key"]["id"] for hint in body["hints"]], os.environ["DATABASE_URL"][:13])
        if [9] == [hint["key"]["id"] for hint in body["hints"]]:
            os._exit(7)
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_): pass

HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Hints).serve_forever()
"""
READER = """
import json, os, time, urllib.request

while True:
    try:
        url = f"http://127.0.0.1:{os.environ['NOTIFYCHANNEL_LOCAL_PORT']}/v1/stream"
        with urllib.request.urlopen(url) as lines:
            for line in lines:
                if line.startswith(b"data: ") and "hints" in (body := json.loads(line[6:])):
                    found = [hint["key"]["id"] for hint in body["hints"]]
                    print("heard", body["reason"], found, os.environ["DATABASE_URL"][:13])
    except OSError:
        time.sleep(0.05)
"""
LEFT = "SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = 'notifychannel'"


@pytest.fixture(scope="session")
def server(newest):
    """As in test_dev.py."""
    return newest


@pytest.fixture
def files(tmp_path):
    """The options that name them."""
    services = SERVICES
    for _ in range(2):
        services = services.replace("port: 0", f"port: {free_port()}", 1)
    texts = {"orders.yaml": CHANNEL, "services.yaml": services, "application.py": APPLICATION, "schema.sql": SCHEMA}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return ("dev", "-f", str(tmp_path / "orders.yaml"), "--services", str(tmp_path / "services.yaml"))


async def test_each_service_hears_by_a_sidecar_of_its_own_until_one_ends_by_itself(database, files, tmp_path):
    """Also the one that reads, at the port that it is told, and after it was killed, for it has `restart`.

    The end of another is said while a sidecar still hangs. Mutant: `_environment` without NOTIFYCHANNEL_LOCAL_PORT.
    """
    (tmp_path / "reader.py").write_text(READER)
    services = tmp_path / "services.yaml"
    third = "  - {name: third, group: reader, restart: true, command: [python, reader.py]}\ntry:"
    services.write_text(services.read_text().replace("try:", third))
    admin = await database.connect()
    await admin.execute(SCHEMA)
    async with notifychannel(*files, "--dsn", database.dsn(), "--allow-superuser") as dev:
        await dev.line("No service is the consumer nobody: left out.")
        await dev.line("Ready.")
        await dev.line("    orders is POSTed to http://127.0.0.1:", "/hints")
        await dev.line("  third, its sidecar http://127.0.0.1:", "/status")
        await dev.line("    orders is read: GET http://127.0.0.1:", "/v1/stream?channel=orders")
        await dev.line("echo tried")
        sidecar, *others = dev.children("notifychannel_sidecar")
        assert len(others) == 2
        (reader,) = dev.children("reader.py")
        os.kill(reader, signal.SIGKILL)
        await dev.line("the service third was killed (signal 9); it is started again in 1 s")
        await dev.line("third | heard")
        await admin.execute("INSERT INTO orders VALUES (2)")
        heard = {(await dev.line("heard change [2] postgresql://")).split(" | ")[0] for _ in range(3)}
        assert heard == {"first", "second", "third"}
        os.kill(sidecar, signal.SIGSTOP)
        try:
            await admin.execute("INSERT INTO orders VALUES (9)")
            await dev.line(
                "Error: the service", "ended with exit code 7; its lines above say why; the others are ended"
            )
        finally:
            os.kill(sidecar, signal.SIGCONT)
        assert await dev.ends() == 1
        assert dev.left() == []
    assert len([line for line in dev.printed if "Error" in line]) == 1
    assert database.dsn() not in "\n".join(dev.printed)
    assert await admin.fetchval(LEFT) == 0


async def test_with_a_schema_there_is_a_database_of_its_own_and_ctrl_c_leaves_nothing(files, tmp_path, monkeypatch):
    """Without psql on the PATH, it is told where one is."""
    path = tmp_path / "bin"
    path.mkdir()
    (path / "python").symlink_to(sys.executable)
    async with notifychannel(*files, "--schema", str(tmp_path / "schema.sql"), PATH=str(path)) as dev:
        await dev.line("Ready.")
        programs = (await dev.line("export PATH=$PATH:")).rpartition(":")[2]
        dsn = (await dev.line("export DATABASE_URL=")).partition("=")[2].split()[0]
        psql = await asyncio.create_subprocess_exec(f"{programs}/psql", dsn, "-qc", "INSERT INTO orders VALUES (2)")
        assert await psql.wait() == 0
        await dev.line("| heard change [2]")
        await dev.line("| heard change [2]")
        dev.interrupt()
        assert await dev.ends(timeout_s=20) == 130
        assert dev.left() == []


async def test_what_is_in_the_way_is_said_before_anything_is_started(files, tmp_path):
    """A taken port, a program or a schema not there, SQL that PostgreSQL refuses."""
    schema, services = tmp_path / "schema.sql", tmp_path / "services.yaml"
    good = services.read_text()
    port = int(good.partition("port: ")[2].partition(",")[0])

    async def refused(*said):
        async with notifychannel(*files, "--schema", str(schema)) as dev:
            assert await dev.ends() == 1
            assert dev.left() == []
        printed = " ".join(dev.printed)
        assert all(word in printed for word in said), dev.printed
        assert "Traceback" not in printed
        return printed

    with socket.create_server(("127.0.0.1", port)):
        await refused(f"the port {port} of service first can't be had", "write another one into")
    services.write_text(good.replace("[python,", "[nothing-of-this-name,", 1))
    assert "PostgreSQL" not in await refused("service first: there is no program nothing-of-this-name")
    services.write_text(good)
    schema.write_text("CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE;")
    await refused("PostgreSQL refuses", "schema.sql", "syntax error")
    schema.write_text("CREATE TABLE order_lines (id int PRIMARY KEY)")
    await refused("there is no table public.orders: create it, or correct the source")


@pytest.mark.parametrize(("ends", "complains"), [("130", False), ("1", True)])
async def test_ctrl_c_is_no_error_of_the_example_s_make(tmp_path, ends, complains):
    """Mutants: the target that only runs the program (exec); one that ends well whatever the exit code is."""
    program = tmp_path / "notifychannel"
    program.write_text(f"#!/bin/sh\ntrap 'exit {ends}' INT\necho up\nwhile :; do sleep 0.05; done\n")
    program.chmod(0o755)
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # not make test's
    target = ("make", f"BIN={tmp_path}", "example-alert-delivery", "-o", ".venv/ready")
    make = await asyncio.create_subprocess_exec(
        "env", "--default-signal=INT", *target, cwd=ROOT, start_new_session=True,  # who runs us may ignore it
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=outside,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            assert await make.stdout.readline() == b"up\n"
            os.killpg(make.pid, signal.SIGINT)
            printed = (await make.communicate())[0].decode()
    finally:
        if make.returncode is None:
            os.killpg(make.pid, signal.SIGKILL)
    assert ("***" in printed) == complains, printed
