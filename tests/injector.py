"""The injector as a process, as its Deployment starts it, with a folder of certificates that a test may rotate."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import signal
import ssl
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from notifychannel_cli.embedded import free_port
from notifychannel_operator import certificates
from tests.process import Program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from notifychannel_operator.certificates import Pair

IMAGE = "notifychannel/sidecar:1.2.3"
HOST = "127.0.0.1"
NAME = "nch-injector.notifychannel.svc"
POD = {
    "metadata": {"generateName": "orders-", "labels": {"notifychannel.io/inject": "orders-api"}},
    "spec": {"containers": [{"name": "app", "image": "shop/orders:1"}]},
}
TIMEOUT = aiohttp.ClientTimeout(total=20)


def put(folder: Path, leaf: Pair) -> None:
    """As the kubelet does: a new folder, and one link that is swapped."""
    folder.mkdir(exist_ok=True)
    fresh = folder / f"..{leaf.certificate.serial_number:x}"
    fresh.mkdir()
    (fresh / "tls.crt").write_bytes(leaf.certificate_pem)
    (fresh / "tls.key").write_bytes(leaf.key_pem)
    link = folder / "..data_tmp"
    link.symlink_to(fresh.name)
    link.rename(folder / "..data")
    for name in ("tls.crt", "tls.key"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")


def issue(ca: Pair | None = None, *, now: datetime | None = None) -> tuple[Pair, Pair]:
    """A CA (or that one) and a leaf of it for the injector's name."""
    now = now or datetime.now(UTC)
    ca = ca or certificates.make_ca(now)
    return ca, certificates.make_leaf(ca, [NAME], now)


def issue_rsa(ca: Pair) -> Pair:
    """A leaf with an RSA key, as a person's Secret may hold: the operator itself makes none."""
    now = datetime.now(UTC)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rsa")]))
        .issuer_name(ca.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
    )
    return certificates.Pair(certificate=builder.sign(ca.key, hashes.SHA256()), key=key)


def trusting(*authorities: Pair) -> ssl.SSLContext:
    """What a client that trusts these connects with."""
    return ssl.create_default_context(cadata="".join(ca.certificate_pem.decode() for ca in authorities))


def review(pod: Any, *, uid: str = "u-1", **request: Any) -> dict[str, Any]:
    """What the API server sends at a pod's creation."""
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "operation": "CREATE",
            "namespace": "shop",
            "object": pod,
            "oldObject": None,
            "dryRun": False,
            **request,
        },
    }


def patch_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The patch in an AdmissionReview, empty where there is none."""
    response = answer["response"]
    return json.loads(base64.b64decode(response["patch"])) if "patch" in response else []


@dataclass(kw_only=True)
class Injector:
    """A running injector."""

    program: Program = field(repr=False)
    port: int
    http_port: int

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}/inject"

    def stop(self) -> None:
        self.program.process.send_signal(signal.SIGTERM)

    async def get(self, path: str) -> tuple[int, str]:
        """Of the port for probes and metrics."""
        url = f"http://{HOST}:{self.http_port}{path}"
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session, session.get(url) as answer:
            return answer.status, await answer.text()

    async def until(self, path: str, status: int, words: str = "") -> str:
        """Ask until it answers so."""
        async with asyncio.timeout(30):
            while True:
                try:
                    found, text = await self.get(path)
                except aiohttp.ClientError:
                    found, text = 0, ""
                if found == status and words in text:
                    return text
                await asyncio.sleep(0.02)

    async def ask(
        self, body: Any, *, context: ssl.SSLContext, content_type: str = "application/json"
    ) -> tuple[int, dict[str, Any]]:
        """POST on a connection of its own; status and body."""
        data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        headers = {"Content-Type": content_type}
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.post(self.url, data=data, headers=headers, ssl=context, server_hostname=NAME) as answer,
        ):
            return answer.status, json.loads(await answer.text())


@asynccontextmanager
async def injector(folder: Path, *, remove: Iterable[str] = (), **environment: str) -> AsyncIterator[Injector]:
    """`python -m notifychannel_operator.injector`, killed at the end of the block if it still runs."""
    port, http_port = free_port(), free_port()
    settings = {
        "NOTIFYCHANNEL_TLS_DIR": str(folder),
        "NOTIFYCHANNEL_SIDECAR_IMAGE": IMAGE,
        "NOTIFYCHANNEL_HOST": HOST,
        "NOTIFYCHANNEL_PORT": str(port),
        "NOTIFYCHANNEL_HTTP_PORT": str(http_port),
        **environment,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "notifychannel_operator.injector",
        env={**os.environ, **{name: value for name, value in settings.items() if name not in remove}},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    program = Program(process=process)
    try:
        yield Injector(program=program, port=port, http_port=http_port)
    finally:
        if process.returncode is None:
            process.kill()
        await program.ends()  # and all that it has said is looked at
