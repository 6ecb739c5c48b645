"""Which channels, in which form, a group of pods is told about."""

from __future__ import annotations

from dataclasses import replace

from notifychannel_operator import names
from notifychannel_operator.configmap import config_for
from notifychannel_operator.manifest import parse
from notifychannel_operator.names import Owner
from notifychannel_sidecar.config import dump
from notifychannel_sidecar.config import parse as parse_config

TEXT = """\
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: orders, namespace: shop}
spec:
  database: {secretRef: {name: db}}
  sources: [{schema: public, table: orders, key: [{column: id, name: order_id}], rules: [{name: a, events: [Insert]}]}]
  consumers:
    - group: api
      endpoint: {port: 8080, path: /hints, timeout: 3s, traceparent: true}
      debounce: {window: 1s, maxDelay: 4s, minInterval: 5s}
      batch: {maxHints: 6, maxWait: 7s}
      poll: {interval: 8s}
      resync: {spread: 9s}
    - {group: mail, endpoint: {port: 81, path: /}}
---
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: heard, namespace: shop}
spec:
  database: {secretRef: {name: db}}
  channel: theirs
  suspend: true
  payload: {format: Json, fields: [a, b]}
  consumers: [{group: api, endpoint: {port: 80, path: /}}]
---
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: elsewhere, namespace: other}
spec:
  database: {secretRef: {name: db}}
  channel: theirs
  payload: {format: Text}
  consumers: [{group: api, endpoint: {port: 80, path: /}}]
"""
CHANNELS = parse(TEXT, file="-")


def config(group="api", channels=CHANNELS, namespace="shop"):
    return config_for(
        channels, installation="dev", namespace=namespace, group=group, system_identifier="7", dbname="shop"
    )


def test_a_group_hears_of_the_channels_of_its_namespace_that_name_it_by_name():
    assert [channel.name for channel in config().channels] == ["heard", "orders"]
    assert [channel.name for channel in config("mail").channels] == ["orders"]
    assert [channel.name for channel in config(namespace="other").channels] == ["elsewhere"]
    assert config("nobody").channels == ()


def test_the_order_of_the_channels_does_not_matter():
    assert dump(config()) == dump(config(channels=reversed(CHANNELS)))


def test_a_channel_with_sources_arrives_whole():
    made = config().channels[1]
    assert made.pg_channel == names.pg_channel(Owner(installation="dev", namespace="shop", name="orders"))
    assert (made.format, made.key, made.sources, made.suspend) == ("Keys", ("order_id",), True, False)
    assert made.rules == names.rules(CHANNELS[0])
    assert (made.port, made.path, made.timeout, made.traceparent) == (8080, "/hints", 3.0, True)
    assert (made.window, made.max_delay, made.min_interval) == (1.0, 4.0, 5.0)
    assert (made.max_hints, made.max_wait, made.poll_interval, made.resync_spread) == (6, 7.0, 8.0, 9.0)
    assert made.delivery == "BestEffort"


def test_a_channel_that_only_listens_has_no_rules():
    made = config().channels[0]
    assert (made.pg_channel, made.format, made.key) == ("theirs", "Json", ("a", "b"))
    assert (made.rules, made.sources, made.suspend) == ("", False, True)
    assert config(namespace="other").channels[0].key == ("payload",)


def test_what_is_written_is_what_the_sidecar_reads():
    for group in ("api", "mail", "nobody"):
        assert parse_config(dump(config(group))) == config(group)


def test_a_changed_rule_changes_the_hash_and_nothing_else():
    (source,) = CHANNELS[0].sources
    changed = replace(CHANNELS[0], sources=(replace(source, max_keys=5),))
    before, after = config().channels[1], config(channels=[changed]).channels[0]
    assert before.rules != after.rules
    assert replace(before, rules="") == replace(after, rules="")
