"""Looks at the configuration file and the Secret's folder once a second and says when their content has changed.

Content is compared, not times: the kubelet swaps mounted files by symlink. What can't be used is said and the last
good one kept. Refuses to end the program, whatever the files hold.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from notifychannel_sidecar import config as configs
from notifychannel_sidecar import credentials as secrets
from notifychannel_sidecar.events import Event
from notifychannel_sidecar.listener.target import Target
from notifychannel_sidecar.state import Why

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from notifychannel_sidecar.config import Config
    from notifychannel_sidecar.credentials import Credentials

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
MISSING = (
    "on Kubernetes no NotifyChannel in this namespace names this pod's group, or it is not told yet (up to 90 s);"
    " elsewhere write it with `notifychannel config`"
)


@dataclass(slots=True, kw_only=True)
class Files:
    """What the files said when they last made sense."""

    config_path: Path
    secret_path: Path
    on_change: Callable[[], None]
    """Another configuration or Secret is in force."""
    on_reload: Callable[[bool], None]
    """A configuration was taken (True) or refused."""
    config: Config | None = None
    config_hash: str | None = None
    """Of the configuration in force, 12 hex digits."""
    config_error: str | None = None
    """What is wrong with the file as it is now."""
    credentials: Credentials | None = None
    secret_error: str | None = None
    token: str | None = None
    _refused_hash: str | None = None
    _secret_content: bytes | None = None

    async def run(self) -> NoReturn:
        """Look for ever."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Look once."""
        changed = self._look_at_config()
        changed |= self._look_at_secret()
        if changed:
            self.on_change()

    def target(self, pod: str) -> Target | Why:
        """What to listen to as far as the files say, or which of them is missing."""
        if self.config is None:
            return Why.NOT_CONFIGURED
        if self.credentials is None:
            return Why.NO_SECRET
        return Target(
            config=self.config,
            pod=pod,
            fingerprint=self.credentials.fingerprint(),
            arguments=self.credentials.connect_arguments(),
        )

    def _look_at_config(self) -> bool:
        try:
            content = self.config_path.read_bytes()
        except FileNotFoundError:
            self._refuse_config(None, f"{self.config_path}: no such file; {MISSING}")
            return False
        except OSError as error:
            self._refuse_config(None, f"the file can't be read: {error.strerror}")
            return False
        found = hashlib.sha256(content).hexdigest()[:12]
        if found == self.config_hash:
            self.config_error = self._refused_hash = None
            return False
        try:
            config = configs.parse(content.decode())
        except UnicodeDecodeError:
            self._refuse_config(found, "the file is not UTF-8")
            return False
        except configs.ConfigError as error:
            self._refuse_config(found, str(error))
            return False
        self.config, self.config_hash = config, found
        self.config_error = self._refused_hash = None
        self.on_reload(True)
        log.info(
            "configuration %s with %d channels is in force",
            found,
            len(config.channels),
            extra=Event.CONFIGURATION_IN_FORCE.tag,
        )
        return True

    def _refuse_config(self, found: str | None, error: str) -> None:
        if self.config_error is not None and found == self._refused_hash:
            return
        self.config_error, self._refused_hash = error, found
        if found is not None:
            self.on_reload(False)
        waiting = "waiting for another" if self.config is None else "the last good one stays in force"
        log.warning("the configuration can't be used: %s; %s", error, waiting, extra=Event.CONFIGURATION_UNUSABLE.tag)

    def _look_at_secret(self) -> bool:
        content = _digest(self.secret_path)
        if content == self._secret_content:
            return False
        self._secret_content = content
        try:
            credentials = secrets.read(self.secret_path)
            self.token = secrets.read_token(self.secret_path)
        except secrets.CredentialsError as error:
            self._refuse_secret(str(error))
            return False
        except ValueError as error:  # of something that was let through; its text may hold a value
            self._refuse_secret(f"its content makes no connection ({type(error).__name__}); look for odd characters")
            return False
        self.secret_error = None
        changed = self.credentials is None or credentials.fingerprint() != self.credentials.fingerprint()
        self.credentials = credentials
        log.info(
            "the Secret is read; %s",
            "connecting with it" if changed else "the way to the database is the same",
            extra=Event.SECRET_READ.tag,
        )
        return changed

    def _refuse_secret(self, error: str) -> None:
        self.secret_error = error
        waiting = "waiting for another" if self.credentials is None else "the last good one stays in force"
        log.warning("the Secret can't be used: %s; %s", error, waiting, extra=Event.SECRET_UNUSABLE.tag)


def _digest(folder: Path) -> bytes:
    """Of the raw files: a look each second must not make a TLS context each second."""
    digest = hashlib.sha256()
    for key in (*secrets.KEYS, "token"):
        try:
            content = (folder / key).read_bytes()
        except OSError as error:
            content = repr(error.errno).encode()
        digest.update(f"{key} {len(content)} ".encode() + content)
    return digest.digest()
