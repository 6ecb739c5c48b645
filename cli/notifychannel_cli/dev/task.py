"""What a person asked `notifychannel dev` for, read and checked; and which sidecar that makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_operator import configmap

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from notifychannel_cli.dev.services import Services
    from notifychannel_operator.spec import Channel
    from notifychannel_sidecar.config import Config

INSTALLATION = "dev"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """One consumer, whose place we take."""

    group: str
    answer: str
    """`post`, `exec`, `print` or `serve`."""
    target: str
    """The URL, the command or the port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One run."""

    channels: tuple[Channel, ...]
    files: Sequence[str]
    database: str | Path
    """A DSN, or a file with the tables of an embedded one."""
    consumers: Alone | Services
    keep: bool
    force: bool
    allow_superuser: bool


def config(channels: Sequence[Channel], group: str) -> Config:
    """Of the sidecar of that group, as the operator writes it."""
    return configmap.config_for(
        channels, installation=INSTALLATION, namespace=channels[0].namespace, group=group,
        system_identifier=None, dbname=None,
    )  # fmt: skip
