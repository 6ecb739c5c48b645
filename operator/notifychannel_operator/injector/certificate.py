"""The certificate that is served: read from a folder, and again in place when it changes, without a restart.

New connections get the new one, the living ones stay. What can't be used is said once and the last good one kept;
a pair is tried on a context of its own first, so that no connection meets a certificate without its key.
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
    """`context` is for the server; `await run()` keeps it fresh."""

    folder: Path
    on_reload: Callable[[bool], None]
    """A changed pair was taken (True) or refused."""
    context: ssl.SSLContext = field(default_factory=_context)
    expires_at: datetime | None = None
    """Of the one in force; None before there is one."""
    _seen: str | None = None

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
        if found == self._seen:
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
        if datetime.now(UTC) >= self.expires_at:
            return "the certificate has expired"
        return None

    def _take(self, certificate: Path, key: Path) -> None:
        expires_at = certificates.expires_at(certificate.read_bytes())
        _context().load_cert_chain(certificate, key)
        self.context.load_cert_chain(certificate, key)
        self.expires_at = expires_at
        log.info("serving a certificate that is good until %s", expires_at.isoformat(timespec="seconds"))

    def _refuse(self, found: str, sentence: str) -> None:
        if found == self._seen:
            return
        self._seen = found
        self.on_reload(False)
        next_ = "not ready" if self.expires_at is None else "the last one stays in force"
        log.warning("%s; %s, looking again every %.0f s", sentence, next_, LOOK_EVERY_S)
