"""A resource with a hostile text in any one of its strings; these are those of the CRD, so a new one is tried too."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests import crd

DROP = "DROP TABLE public.canary; CREATE TABLE public.stray ();"
TEXTS = {
    "single quote": f"'; {DROP} --",
    "double quote": f'"; {DROP} --',
    "backslash": f"\\'; {DROP} --",
    "comment and lines": "*/\nDROP TABLE public.canary;\n/* --\\",
    "dollars": "$$;DROP TABLE public.canary;$nch$;DROP TABLE public.canary;",
    "templates": "%s%I%L{}{0}${x}$1:x\\gexec\\1;",
    "63 bytes and a quote at the end": "é" * 31 + '"',
    "63 bytes and a backslash at the end": "a" * 62 + "\\",
    "unicode": "\u2018\uff07\u02bc\u202e\u2028\x85\x9b\ufeff\x01",
}
TOO_MUCH = {
    "64 bytes": "é" * 32,
    "NUL": f"x\0'; {DROP} --",
    "half a surrogate pair": f"\ud800'; {DROP} --",
}
"""No name in PostgreSQL can be this."""
KEYS = "{keys}"
"""Behind a map: its keys, which the schema has no line for."""
FIELDS = sorted(
    [path for path, each in crd.SCHEMAS.items() if path.startswith("spec.") and each.get("type") == "string"]
    + [path.removesuffix("{}") + KEYS for path in crd.SCHEMAS if path.startswith("spec.") and path.endswith("{}")]
    + ["metadata.name", "metadata.namespace"]
)
IN_SQL = {
    "spec.channel",
    "spec.sources[].key[].column",
    "spec.sources[].key[].lookup.column",
    "spec.sources[].key[].lookup.match{keys}",
    "spec.sources[].key[].lookup.match{}",
    "spec.sources[].key[].lookup.schema",
    "spec.sources[].key[].lookup.table",
    "spec.sources[].key[].name",
    "spec.sources[].rules[].columns[]",
    "spec.sources[].rules[].when.allOf[].column",
    "spec.sources[].rules[].when.allOf[].values[]",
    "spec.sources[].schema",
    "spec.sources[].table",
}
"""Where any text may stand that PostgreSQL takes for a name or a value."""
NOT_IN_SQL = {"spec.payload.fields[]"}
"""The same, but only the sidecar reads it."""
RESOURCE = """
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: orders, namespace: shop}
spec:
  database: {secretRef: {name: db}}
  channel: news
  capture: Notify
  payload: {format: Keys}
  sources:
    - schema: public
      table: lines
      key:
        - {column: id, name: line}
        - {name: region, lookup: {schema: public, table: tenants, column: region, match: {tenant: owner}}}
      rules:
        - name: any
          events: [Insert, Update]
          columns: [note]
          when: {allOf: [{column: status, operator: NotEquals, values: [gone], row: New}]}
  consumers: [{group: app, endpoint: {port: 8080, path: /hints}}]
"""


def resource(field: str, text: str, **spec: Any) -> dict[str, Any]:
    """The resource with that text in that field, which is one of FIELDS."""
    body: dict[str, Any] = yaml.safe_load(RESOURCE)
    body["spec"] |= spec
    if field == "spec.payload.fields[]":
        del body["spec"]["sources"]
        body["spec"]["payload"] = {"format": "Json"}
    *above, last = re.findall(r"\w+|\[\]|\{\w*\}", field)
    node: Any = body
    for here, below in zip(above, [*above[1:], last], strict=True):
        if here == "[]":
            node = node[-1 if below == "lookup" else 0]
        else:
            node = node.setdefault(here, [{}] if below == "[]" else {})
    _put(node, last, text)
    return body


def _put(node: Any, last: str, text: str) -> None:
    if last == "[]":
        node[:] = [text]
    elif last == KEYS:
        node[text] = node.popitem()[1]
    elif last == "{}":
        node[next(iter(node))] = text
    else:
        node[last] = text
