"""The configuration and the Secret as files that change under the sidecar."""

from __future__ import annotations

import pytest

from notifychannel_sidecar import config as configs
from notifychannel_sidecar.listener.target import Target
from notifychannel_sidecar.reload import Files
from notifychannel_sidecar.state import Why
from tests.listening import channel, config


class Watched:
    """Files in a folder, and what their watcher said."""

    def __init__(self, folder):
        self.config, self.secret = folder / "config.json", folder / "secret"
        self.secret.mkdir()
        self.changes, self.reloads = 0, []
        self.files = Files(
            config_path=self.config, secret_path=self.secret, on_change=self._changed, on_reload=self.reloads.append
        )

    def _changed(self):
        self.changes += 1

    def look(self):
        self.files.look()
        return self.files.target("pod")


@pytest.fixture
def watched(tmp_path):
    return Watched(tmp_path)


def test_without_files_it_says_which_is_missing(watched):
    """In a pod and elsewhere. Mutant: no `except FileNotFoundError` in `_look_at_config`."""
    assert watched.look() is Why.NOT_CONFIGURED
    assert watched.files.config_error == (
        f"{watched.config}: no such file; on Kubernetes no NotifyChannel in this namespace names this pod's group, or"
        " it is not told yet (up to 90 s); elsewhere write it with `notifychannel config`"
    )
    watched.config.write_text(configs.dump(config()))
    assert watched.look() is Why.NO_SECRET
    (watched.secret / "uri").write_text("postgresql://u:p@h/d")
    assert isinstance(watched.look(), Target)


def test_nothing_is_said_while_nothing_changes_though_files_are_written_again(watched):
    """Mutant: compare the time of the file instead of its content."""
    watched.config.write_text(configs.dump(config()))
    (watched.secret / "uri").write_text("postgresql://u:p@h/d")
    before = watched.look()
    watched.config.write_text(configs.dump(config()))
    (watched.secret / "uri").write_text("postgresql://u:p@h/d")
    assert watched.look() == before
    assert (watched.changes, watched.reloads) == (1, [True])


def test_a_mount_that_the_kubelet_swaps_by_its_link_is_seen(watched):
    """Mutant: resolve the paths once, at the start."""
    for number in (1, 2):
        (watched.secret / f"..{number}").mkdir()
        (watched.secret / f"..{number}" / "uri").write_text(f"postgresql://u:p{number}@h/d")
    (watched.secret / "..data").symlink_to("..1")
    (watched.secret / "uri").symlink_to("..data/uri")
    watched.config.write_text(configs.dump(config()))
    before = watched.look()
    (watched.secret / "..new").symlink_to("..2")
    (watched.secret / "..new").replace(watched.secret / "..data")
    after = watched.look()
    assert after.server != before.server
    assert after.arguments["password"].endswith("2")


def test_bad_content_keeps_the_last_good_one_and_is_counted_once(watched):
    """Mutant: `_refuse_config` counts at every look."""
    watched.config.write_text(configs.dump(config()))
    watched.look()
    watched.config.write_text("{")
    watched.look()
    watched.look()
    assert watched.files.config == config()
    assert watched.files.config_error
    assert watched.reloads == [True, False]
    watched.config.unlink()
    watched.look()
    assert watched.files.config == config()
    assert watched.reloads == [True, False]
    watched.config.write_text(configs.dump(config()))
    watched.look()
    assert watched.files.config_error is None


def test_a_changed_token_is_no_other_way_to_the_database(watched):
    """Mutant: every change of the Secret is a reconnection."""
    watched.config.write_text(configs.dump(config()))
    (watched.secret / "uri").write_text("postgresql://u:p@h/d")
    before = watched.look()
    (watched.secret / "token").write_text("t1")
    assert watched.look() == before
    assert watched.files.token.endswith("t1")
    assert watched.changes == 1


def test_channels_that_change_are_no_other_server_and_identity_is(watched):
    watched.config.write_text(configs.dump(config()))
    (watched.secret / "uri").write_text("postgresql://u:p@h/d")
    before = watched.look()
    watched.config.write_text(configs.dump(config(channel("items"))))
    after = watched.look()
    assert after != before
    assert after.server == before.server
    watched.config.write_text(configs.dump(config(channel("items"), dbname="d")))
    assert watched.look().server != before.server


def test_an_error_that_nobody_expects_of_a_secret_is_said_without_its_text_and_ends_nothing(watched, monkeypatch):
    """Mutant: `_look_at_secret` catches CredentialsError alone."""

    def fails(_):
        raise ValueError("hunter2")

    watched.config.write_text(configs.dump(config()))
    monkeypatch.setattr("notifychannel_sidecar.credentials.read", fails)
    assert watched.look() is Why.NO_SECRET
    assert "ValueError" in watched.files.secret_error
    assert "hunter2" not in watched.files.secret_error
