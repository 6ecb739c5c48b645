"""The certificate that is served: read from a folder, and again in place when it changes, without a restart.

New connections get the new one, the living ones stay. What can't be used is said once and the last good one kept.
Each pair has a context of its own, which a connection is given at its handshake: a context keeps one certificate per
kind of key (SSL_CTX_use_certificate(3)), so that in one for all an ECDSA one would outlive the RSA one after it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from notifychannel_operator import certificates
from notifychannel_operator.certificates import CertificateError
from notifychannel_operator.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


@dataclass(slots=True, kw_only=True)
class ServedCertificate:
    """`context` is for the server; `await run()` keeps what it serves fresh."""

    folder: Path
    on_reload: Callable[[bool], None]
    """A changed pair was taken (True) or refused."""
    context: ssl.SSLContext = field(default_factory=_context)
    """It listens and holds no certificate."""
    expires_at: datetime | None = None
    """Of the one in force; None before there is one."""
    _starts_at: datetime | None = None
    _due_at: datetime | None = None
    """When one that was refused for being early is to be taken."""
    _in_force: ssl.SSLContext | None = None
    _seen: str | None = None

    def __post_init__(self) -> None:
        self.context.sni_callback = self._choose

    async def run(self) -> NoReturn:
        """Look for ever."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Look once."""
        swapped = self.folder / "..data"
        folder = (swapped if swapped.exists() else self.folder).resolve()  # the kubelet swaps both files by this link
        paths = folder / "tls.crt", folder / "tls.key"
        try:
            content = b"\0".join(path.read_bytes() for path in paths)
        except OSError as error:
            self._refuse("", f"{self.folder}: tls.crt or tls.key can't be read ({error.strerror})")
            return
        found = hashlib.sha256(content).hexdigest()
        if found == self._seen and not self._is_due():
            return
        try:
            self._take(*paths)
        except (OSError, ssl.SSLError, CertificateError) as error:
            said = str(error) if isinstance(error, CertificateError) else "certificate and key don't make a pair"
            self._refuse(found, f"{self.folder}: {said}")
        else:
            self._seen = found
            self.on_reload(True)

    def problem(self) -> str | None:
        """Why nobody should come to this server now, or None."""
        if self.expires_at is None:
            return "there is no certificate yet"
        now = datetime.now(UTC)
        if self._starts_at is not None and now < self._starts_at:
            return _early(self._starts_at)
        if now >= self.expires_at:
            return "the certificate has expired"
        return None

    def _is_due(self) -> bool:
        return self._due_at is not None and datetime.now(UTC) >= self._due_at

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _listening: ssl.SSLContext) -> None:
        """Called at each handshake, also of a client that names no server; without a certificate the handshake fails.

        https://docs.python.org/3/library/ssl.html#ssl.SSLContext.sni_callback
        """
        if self._in_force is not None:
            connection.context = self._in_force

    def _take(self, certificate: Path, key: Path) -> None:
        self._due_at = None
        pem = certificate.read_bytes()
        starts_at, expires_at = certificates.starts_at(pem), certificates.expires_at(pem)
        fresh = _context()
        fresh.load_cert_chain(certificate, key)
        if self.problem() is None and datetime.now(UTC) < starts_at:  # a clock that is a little behind stops nothing
            self._due_at = starts_at
            raise CertificateError(_early(starts_at))
        self._in_force, self._starts_at, self.expires_at = fresh, starts_at, expires_at
        log.info(
            "serving a certificate that is good until %s",
            expires_at.isoformat(timespec="seconds"),
            extra=Event.CERTIFICATE_SERVED.tag,
        )

    def _refuse(self, found: str, sentence: str) -> None:
        if found == self._seen:
            return
        self._seen = found
        self.on_reload(False)
        next_ = "not ready" if self.expires_at is None else "the last one stays in force"
        log.warning(
            "%s; %s, looking again every %.0f s", sentence, next_, LOOK_EVERY_S, extra=Event.CERTIFICATE_UNUSABLE.tag
        )


def _early(starts_at: datetime) -> str:
    return f"the certificate is not valid before {starts_at.isoformat(timespec='seconds')}"
