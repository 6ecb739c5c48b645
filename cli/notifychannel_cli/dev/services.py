"""The file of `notifychannel dev --services`: which programs belong together on this machine, as values. Pure.

services:
- name: delivery                      # stands before each of its lines
group: alert-delivery               # its sidecar is this consumer; without: a program without a sidecar
port: 8080                          # where it serves; it finds it in PORT. Needed where hints are POSTed
statusPort: 9791                    # of its sidecar; a free one where nothing is written
localPort: 9790                     # of its streams and claims; the program finds it in NOTIFYCHANNEL_LOCAL_PORT
restart: true                       # started again after a second where it ends; without: its end ends all
command: [python, application.py]   # started in the file's folder
try:                                    # printed when all is up, for the next terminal
- curl http://127.0.0.1:8080/webhooks
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from notifychannel_cli.exits import WrongError
from notifychannel_operator.resource.scalar import suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PORT_FIELDS = ("port", "statusPort", "localPort")
FIELDS = ("name", "group", "command", "restart", *PORT_FIELDS)
PORTS = range(1, 65536)


class ServicesError(WrongError):
    """The file can't be used; the message says where and what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One program, with a sidecar beside it where it is a consumer."""

    name: str
    command: tuple[str, ...]
    group: str | None = None
    port: int | None = None
    status_port: int | None = None
    local_port: int | None = None
    restart: bool = False

    @property
    def ports(self) -> tuple[int, ...]:
        """Those that are written."""
        return tuple(it for it in (self.port, self.status_port, self.local_port) if it is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """All of a file."""

    folder: Path
    services: tuple[Service, ...]
    tries: tuple[str, ...] = ()

    @property
    def without_port(self) -> frozenset[str]:
        """The consumers of which one can't be POSTed to."""
        return frozenset(it.group for it in self.services if it.group is not None and it.port is None)

    @property
    def groups(self) -> frozenset[str]:
        """The consumers that they are."""
        return frozenset(it.group for it in self.services if it.group is not None)


def load(path: Path) -> Services:
    """Read a file; raises ServicesError."""
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ServicesError(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, yaml.YAMLError):
        raise ServicesError(f"{path}: is no YAML; see notifychannel dev --help") from None
    try:
        return _services(document, path.resolve().parent)
    except ServicesError as error:
        raise ServicesError(f"{path}: {error.message}") from None


def _services(document: Any, folder: Path) -> Services:
    if not isinstance(document, dict):
        raise ServicesError("write a list `services`, a list `try`, and nothing else")
    _check_fields(document, ("services", "try"), where="")
    found, tries = document.get("services"), document.get("try") or []
    if not isinstance(found, list) or not found:
        raise ServicesError("`services` is empty; write one with name, port and command")
    if not _are_words(tries):
        raise ServicesError("`try` is no list of lines; quote those that hold a colon")
    services = tuple(_service(it, number) for number, it in enumerate(found))
    ports = [port for it in services for port in it.ports]
    for what, values in (("name", [it.name for it in services]), ("port", ports)):
        if twice := [value for value, count in Counter(values).items() if count > 1]:
            raise ServicesError(f"two services have the {what} {twice[0]}; give each its own")
    return Services(folder=folder, services=services, tries=tuple(tries))


def _service(it: Any, number: int) -> Service:
    where = f"services[{number}]"
    if not isinstance(it, dict):
        raise ServicesError(f"{where}: write its fields: {', '.join(FIELDS)}")
    _check_fields(it, FIELDS, where=f"{where}: ")
    name, group, command = it.get("name"), it.get("group"), it.get("command")
    if not isinstance(name, str) or not name:
        raise ServicesError(f"{where}: has no name")
    if not _are_words(command) or not command:
        raise ServicesError(f"{where}: `command` is a list of words: [python, application.py]")
    for field in PORT_FIELDS:
        if it.get(field) is not None and (type(it[field]) is not int or it[field] not in PORTS):
            raise ServicesError(f"{where}: `{field}` is a number from 1 to 65535")
    if group is not None and not isinstance(group, str):
        raise ServicesError(f"{where}: a `group` is a consumer's name")
    if not isinstance(it.get("restart", False), bool):
        raise ServicesError(f"{where}: `restart` is true or false")
    return Service(
        name=name, command=tuple(command), group=group, port=it.get("port"), status_port=it.get("statusPort"),
        local_port=it.get("localPort"), restart=it.get("restart", False),
    )  # fmt: skip


def _check_fields(written: dict[Any, Any], known: Sequence[str], *, where: str) -> None:
    """As in a channel's file."""
    for name in written:
        if name not in known:
            raise ServicesError(f'{where}unknown field "{name}"; {suggestion(str(name), known)}')


def _are_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)
