"""A POST goes to 127.0.0.1 and its port whatever the path holds: the sidecar is no way into the network."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from notifychannel_sidecar.config_json import ConfigError, url_path
from notifychannel_sidecar.deliverer.endpoint import Endpoint

TRICKS = st.sampled_from(
    [
        "/",
        "//",
        "\\",
        "@",
        ":",
        "127.0.0.2",
        "evil.example",
        "http://",
        "?",
        "#",
        "%2f",
        "%0d%0a",
        "\r\n",
        "..",
        " ",
        "é",
        "[",
        "]",
    ]
)


class Session:
    """Stands in for aiohttp's: notes what it is asked to POST, and to which headers."""

    def post(self, url, **options):
        self.url, self.options = url, options
        raise RuntimeError("asked")


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(st.lists(TRICKS, max_size=8).map("".join) | st.text())
@example("//evil.example/x")
@example("@evil.example/")
@example(":81/@evil.example")
@example("/x\r\nHost: evil.example")
@example("http://evil.example/")
async def test_no_path_changes_host_port_or_headers(path):
    """Also of a path that no configuration lets through. Mutant: no `lstrip`, or no "/" before the path."""
    session = Session()
    endpoint = Endpoint(http=session, port=8080, path=path, timeout_s=1.0)
    with pytest.raises(RuntimeError, match="asked"):
        await endpoint.post(b"{}", token=None)
    url = session.url
    assert (url.scheme, url.raw_host, url.port, url.raw_user) == ("http", "127.0.0.1", 8080, None)
    assert not {"\r", "\n", " "} & set(url.raw_path_qs)
    assert session.options["allow_redirects"] is False
    assert set(session.options["headers"]) == {"Content-Type"}


@settings(derandomize=True, database=None, deadline=None)
@given(st.lists(TRICKS, max_size=8).map("".join) | st.text())
def test_a_configuration_takes_only_paths_of_printable_ascii(path):
    try:
        taken = url_path(path, "path")
    except ConfigError:
        return
    assert taken.startswith("/")
    assert taken.isascii()
    assert taken.isprintable()
