"""The doctor and what is mounted for a sidecar: a Secret or a configuration that is gone while it still listens."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from notifychannel_cli.doctor import mounted, pods
from notifychannel_cli.doctor.finding import Trouble
from notifychannel_operator.inject import request
from notifychannel_sidecar import reload
from tests.unit.test_doctor_cluster import DEAF, LISTENING, POD, pod

if TYPE_CHECKING:
    from pathlib import Path

MAKE = (
    "kubectl -n shop create secret generic {} "
    "--from-literal=uri=postgresql://LISTENER:PASSWORD@HOST:PORT/DBNAME"
)  # fmt: skip


def said(folder: Path) -> dict[str, Any]:
    """The /status of a sidecar that listens and whose files are now as they are in this folder."""
    files = reload.Files(
        config_path=folder / "config.json", secret_path=folder / "secret", on_change=lambda: None,
        on_reload=lambda _: None,
    )  # fmt: skip
    files.look()
    return {**LISTENING, "config": {"error": files.config_error}, "secret": {"error": files.secret_error}}


def troubles(status: dict[str, Any], *, body: dict[str, Any] | None = None) -> list[Any]:
    """What pods/listening says."""
    return list(pods.listening([replace(POD, body=body or POD.body, status=status)]))


def test_one_that_listens_by_files_that_are_gone_is_warned_of_its_next_restart(tmp_path):
    """By the sidecar's own sentences. Mutants: only who WAITS is looked at; `secret.error` taken for `config.error`."""
    secret, config = troubles(said(tmp_path))
    assert [it.is_warning for it in (secret, config)] == [True, True]
    assert secret.why.startswith("it listens by a Secret that is gone; the next restart will be deaf\n")
    assert secret.remedy == (MAKE.format("notifychannel-orders-api"),)
    assert config.why.startswith("it listens by a configuration that is gone; the next restart will be deaf\n")
    assert config.remedy[0] == "kubectl -n shop get configmap notifychannel-orders-api"


def test_one_whose_files_can_not_be_used_since_is_not_told_to_make_them_anew(tmp_path):
    """Mutant: each error is a Secret that is gone: `create` fails where there is one."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "user").write_text("somebody")
    (tmp_path / "config.json").write_text("{")
    secret, config = troubles(said(tmp_path))
    assert "was changed and can't be used; the next restart will be deaf" in secret.why
    assert secret.remedy[0].startswith("kubectl -n shop patch secret notifychannel-orders-api ")
    assert "was changed and can't be used; the next restart will be deaf" in config.why


@pytest.mark.parametrize("error", [None, 7, {}, ["no such folder"]])
def test_what_is_no_sentence_of_a_sidecars_is_nothing_and_no_text_of_theirs_is_printed(error):
    """Whoever may run a pod may answer. Mutant: the sentence as it is in `why`."""
    assert troubles({**LISTENING, "secret": {"error": error}, "config": error}) == []
    (found,) = troubles({**LISTENING, "secret": {"error": "no such folder \x1b[31m$(reboot)"}})
    assert not any("reboot" in each for each in (found.why, *found.remedy))


def test_one_without_a_secret_is_told_its_name_and_the_command_that_makes_it():
    """By the annotation where there is one. Mutant: the default's name always."""
    named = pod()
    named["metadata"]["annotations"][mounted.ANNOTATION] = "of-the-team"
    for body, name in ((None, "notifychannel-orders-api"), (named, "of-the-team")):
        waits = {**DEAF, "reason": "NoSecret", "last_round_trip": None}
        (found,) = troubles({**waits, "secret": {"error": "/etc/…: no such folder; …"}}, body=body)
        assert isinstance(found, Trouble)
        assert found.why == f"its sidecar does not listen: NoSecret\nIt never connected: the Secret {name} is missing"
        assert found.remedy[0] == MAKE.format(name)
        (unusable,) = troubles({**waits, "secret": {"error": "host is missing in the Secret"}}, body=body)
        assert unusable.why.endswith(f"the Secret {name} can't be used")


def test_the_annotation_is_the_injectors():
    assert mounted.ANNOTATION == request.SECRET
