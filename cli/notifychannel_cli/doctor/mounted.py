"""What is mounted for a sidecar, its Secret and its configuration, by what its /status says of these files. Pure.

Whoever may run a pod may answer there: no text of theirs is passed on, only whether it is the one for a missing file.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from notifychannel_cli.doctor.finding import Trouble
from notifychannel_operator import inject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ANNOTATION = "notifychannel.io/secret"
URI = "postgresql://LISTENER:PASSWORD@HOST:PORT/DBNAME"
IS_GONE = ("no such folder", "no such file")
"""Of the sidecar's sentences (its credentials.py and reload.py)."""
DEAF = "the next restart will be deaf"


def secret(body: Mapping[str, Any]) -> str:
    """The name of the Secret with the listener's credentials."""
    metadata = body["metadata"]
    named = (metadata.get("annotations") or {}).get(ANNOTATION)
    return str(named or f"notifychannel-{metadata['labels'][inject.GROUP_LABEL]}")


def is_gone(status: Mapping[str, Any], part: str) -> bool | None:
    """`part`: `secret` or `config`. True: it is missing; False: it can't be used; None: nothing is wrong with it."""
    said = status.get(part)
    error = said.get("error") if isinstance(said, dict) else None
    if not isinstance(error, str):
        return None
    return any(each in error for each in IS_GONE)


def remedy(body: Mapping[str, Any], *, is_missing: bool) -> str:
    """The command that makes the Secret, or writes into it what can be used."""
    where, name = f"kubectl -n {body['metadata']['namespace']}", shlex.quote(secret(body))
    if is_missing:
        return f"{where} create secret generic {name} --from-literal=uri={URI}"
    return f'{where} patch secret {name} -p \'{{"stringData": {{"uri": "{URI}"}}}}\''


def never_connected(body: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[str, str]:
    """Of one that waits for its Secret: a sentence, and the command."""
    is_missing = is_gone(status, "secret") is not False
    state = "is missing" if is_missing else "can't be used"
    return f"It never connected: the Secret {secret(body)} {state}", remedy(body, is_missing=is_missing)


def lost(about: str, body: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[Trouble]:
    """Of one that listens: by files that it has read, and that a restart would not find again."""
    namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
    logs = f"kubectl -n {namespace} logs {name} -c notifychannel | grep 'be used'"
    if (is_missing := is_gone(status, "secret")) is not None:
        why = f"it listens by a Secret that {_state(is_missing=is_missing)}; {DEAF}\nThe Secret is {secret(body)}"
        remedies = (remedy(body, is_missing=is_missing), *(() if is_missing else (logs,)))
        yield Trouble(about=about, why=why, remedy=remedies, is_warning=True)
    if (is_missing := is_gone(status, "config")) is not None:
        config = f"notifychannel-{body['metadata']['labels'][inject.GROUP_LABEL]}"
        why = (
            f"it listens by a configuration that {_state(is_missing=is_missing)}; {DEAF}\n"
            f"The ConfigMap is {config}: the operator writes it, and puts it back within a minute"
        )
        look = f"kubectl -n {namespace} get configmap {config}"
        yield Trouble(about=about, why=why, remedy=(look, logs), is_warning=True)


def _state(*, is_missing: bool) -> str:
    return "is gone" if is_missing else "was changed and can't be used"
