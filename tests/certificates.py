"""Certificates for tests, made with the `openssl` command: an authority, a server's and a client's."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A CA in a folder."""

    folder: Path

    @property
    def ca(self) -> Path:
        """Its certificate."""
        return self.folder / "ca.crt"

    def issue(self, name: str, *, alternatives: str) -> tuple[Path, Path]:
        """Certificate and key for a name; `alternatives` as in `DNS:localhost,IP:127.0.0.1`."""
        certificate, key, extensions = (self.folder / f"{name}.{end}" for end in ("crt", "key", "cnf"))
        extensions.write_text(f"subjectAltName={alternatives}\n")
        _openssl("req", "-new", *KEY, "-keyout", key, "-subj", f"/CN={name}", "-out", self.folder / "csr")
        _openssl(
            "x509", "-req", "-in", self.folder / "csr", "-CA", self.ca, "-CAkey", self.folder / "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", certificate,
        )  # fmt: skip
        return certificate, key


KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def authority(folder: Path) -> Authority:
    """A new CA."""
    made = Authority(folder=folder)
    key = folder / "ca.key"
    _openssl("req", "-x509", *KEY, "-keyout", key, "-subj", "/CN=Test CA", "-days", "2", "-out", made.ca)
    return made


def encrypted(key: Path) -> Path:
    """The same key under a password."""
    target = key.with_suffix(".encrypted")
    _openssl("pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", target)
    return target


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
