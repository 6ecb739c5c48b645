"""The JSON contract between whoever configures the sidecar and the sidecar."""

# ruff: noqa: E501  (the lines are what a person reads, unbroken)
from __future__ import annotations

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifychannel_sidecar.config import ChannelConfig, Config, ConfigError, dump, load, parse

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""The machine is shared: a slow example is no finding."""
CHANNEL = ChannelConfig(name="orders", pg_channel="nch", key=("id",), rules="0123abcd", port=8080, path="/hints")
CONFIG = Config(installation="dev", namespace="shop", group="api", channels=(CHANNEL,))


def changed(**fields) -> str:
    return json.dumps({**json.loads(dump(CONFIG)), **fields})


def with_channel(**fields) -> str:
    return changed(channels=[{**json.loads(dump(CONFIG))["channels"][0], **fields}])


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return str(caught.value)


def test_the_text_is_stable_sorted_and_ends_in_a_line_break():
    text = dump(Config(installation="dev", namespace="shop", group="api", system_identifier="7", dbname="shop"))
    assert text == (
        '{\n  "channels": [],\n  "dbname": "shop",\n  "group": "api",\n  "installation": "dev",\n'
        '  "namespace": "shop",\n  "system_identifier": "7",\n  "version": 1\n}\n'
    )


def test_what_an_older_operator_leaves_out_has_its_default():
    least = {"name": "a", "pg_channel": "b", "port": 1, "path": "/"}
    text = json.dumps({"version": 1, "installation": "i", "namespace": "n", "group": "g", "channels": [least]})
    assert parse(text) == Config(
        installation="i",
        namespace="n",
        group="g",
        channels=(ChannelConfig(name="a", pg_channel="b", port=1, path="/"),),
    )


def test_what_a_newer_operator_adds_is_left_aside():
    assert parse(changed(colour="red")) == CONFIG
    assert parse(with_channel(colour={"a": [1]})) == CONFIG


@pytest.mark.parametrize("version", [0, 2, "1", None, True, [], 1.5])
def test_another_version_is_refused(version):
    assert refusal(changed(version=version)).startswith("version: has to be 1; ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1: is not JSON; write it with `notifychannel config`"),
        ("[" * 100_000, "the document: is nested too deeply"),
        ('{"version": 1, "version": 1}', "the document: a field stands in it twice; remove one of them"),
        ("[]", "version: has to be 1; update the sidecar, or write the document with its own tool"),
        (changed(group=""), "group: has to be a text of 1 to 253 bytes"),
        (changed(group="\ud800"), "group: has to be a text of 1 to 253 bytes"),
        (changed(system_identifier=7), "system_identifier: has to be up to 20 decimal digits in quotes"),
        (changed(dbname="x" * 64), "dbname: has to be a text of 1 to 63 bytes"),
        (changed(channels={}), "channels: has to be a list of at most 1000"),
        (changed(channels=[7]), "channels[0]: has to be an object"),
        (changed(channels=[{}]), "channels[0].name: is missing; have the configuration written anew"),
        (with_channel(pg_channel="a\0"), "channels[0].pg_channel: has to be a text of 1 to 63 bytes"),
        (with_channel(format="Xml"), "channels[0].format: has to be one of Keys, Text, Json"),
        (with_channel(key=["a", "a"]), "channels[0].key: has to be names that differ"),
        (with_channel(key=list("abcdefghi")), "channels[0].key: has to be a list of at most 8"),
        (with_channel(key=[7]), "channels[0].key[0]: has to be a text of 1 to 63 bytes"),
        (with_channel(format="Json", key=[]), "channels[0].key: has to be the names of one field or more, with Json"),
        (with_channel(format="Text", key=[]), "channels[0].key: has to be one name, with Text"),
        (with_channel(rules="0123ABCD"), "channels[0].rules: has to be 8 hex digits, or nothing"),
        (with_channel(sources=1), "channels[0].sources: has to be true or false"),
        (with_channel(port=True), "channels[0].port: has to be a whole number from 0 to 65535"),
        (with_channel(port=8080.0), "channels[0].port: has to be a whole number from 0 to 65535"),
        (with_channel(port=65_536), "channels[0].port: has to be a whole number from 0 to 65535"),
        (with_channel(path="hints"), 'channels[0].path: has to be a path that starts with "/", of printable ASCII, or nothing'),
        (with_channel(path=""), "channels[0].path: has to be there with a port, and only then"),
        (with_channel(port=0), "channels[0].path: has to be there with a port, and only then"),
        (with_channel(timeout=0), "channels[0].timeout: has to be a number of seconds above 0 and at most 31622400"),
        (with_channel(traceparent="true"), "channels[0].traceparent: has to be true or false"),
        (with_channel(window=-1), "channels[0].window: has to be a number of seconds from 0 and at most 31622400"),
        (with_channel(window=math.nan), "channels[0].window: has to be a number of seconds from 0 and at most 31622400"),
        (with_channel(window=9), "channels[0].window: has to be at most max_delay"),
        (with_channel(delivery="Maybe"), "channels[0].delivery: has to be one of BestEffort, AtLeastOnce"),
        (changed(channels=json.loads(dump(CONFIG))["channels"] * 2), "channels: has to be channels with different names"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_path(text, message):
    assert refusal(text) == message


def test_a_file_that_cannot_be_read_says_why(tmp_path):
    (tmp_path / "latin").write_bytes(b"\xe9")
    for name, why in [("gone", "can't be read (No such file or directory)"), ("latin", "is not UTF-8")]:
        with pytest.raises(ConfigError, match=rf"{name}: {why.replace('(', '.').replace(')', '.')}; write it with"):
            load(tmp_path / name)


def test_a_file_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(dump(CONFIG))
    assert load(path) == CONFIG


_texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=15)
_seconds = st.floats(0, 366 * 86_400.0, allow_nan=False)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def _channels(draw, name):
    window = draw(_seconds)
    format_ = draw(st.sampled_from(["Keys", "Text", "Json"]))
    least = {"Keys": 0, "Text": 1, "Json": 1}[format_]
    return ChannelConfig(
        name=name,
        pg_channel=draw(_texts),
        format=format_,
        key=tuple(draw(st.lists(_texts, min_size=least, max_size=1 if format_ == "Text" else 8, unique=True))),
        rules=draw(st.just("") | st.from_regex(r"[0-9a-f]{8}", fullmatch=True)),
        sources=draw(st.booleans()),
        suspend=draw(st.booleans()),
        port=draw(st.integers(1, 65_535)),
        path=draw(st.from_regex(r"/[!-~]{0,20}", fullmatch=True)),
        timeout=draw(_seconds.filter(bool)),
        window=window,
        max_delay=draw(st.floats(window, 366 * 86_400.0)),
        min_interval=draw(_seconds),
        max_hints=draw(st.integers(1, 10_000)),
        max_wait=draw(_seconds),
        poll_interval=draw(_seconds),
        resync_spread=draw(_seconds),
        delivery=draw(st.sampled_from(["BestEffort", "AtLeastOnce"])),
    )


@st.composite
def _configs(draw):
    names = draw(st.lists(_texts, max_size=3, unique=True))
    return Config(
        installation=draw(_texts),
        namespace=draw(_texts),
        group=draw(_texts),
        system_identifier=draw(st.none() | st.from_regex(r"[0-9]{1,20}", fullmatch=True)),
        dbname=draw(st.none() | _texts),
        channels=tuple(draw(_channels(name)) for name in names),
    )


@UNHURRIED
@given(_configs())
def test_any_configuration_reads_back_equal(config):
    assert parse(dump(config)) == config


@UNHURRIED
@given(st.text() | _json.map(json.dumps))
def test_any_text_gives_a_configuration_or_a_config_error(text):
    refusal(text)


@UNHURRIED
@given(st.sampled_from(sorted(json.loads(dump(CONFIG))["channels"][0])), _json)
def test_any_value_in_any_field_gives_a_configuration_or_a_config_error(name, value):
    for text in (with_channel(**{name: value}), changed(**{name: value}), changed(channels=value)):
        try:
            config = parse(text)
        except ConfigError:
            continue
        assert parse(dump(config)) == config
