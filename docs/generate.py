#!/usr/bin/env python3
# ruff: noqa: T201
"""Writes the pages of docs/reference/: cli.md of the commands' own --help, resource.md of crds/notifychannels.yaml.

    make reference           writes both
A test asks `generated()` whether they are current.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from notifychannel_cli.commands import COMMANDS, cli

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 100
"""Of a terminal, in characters."""
CLI_HEAD = """\
# The commands

What `--help` prints, of every command, made by `make reference`. What they are good for is told where they are needed:
[without Kubernetes](../without-kubernetes.md), [delivery](../delivery.md), [doctor](../doctor.md). The programs that
run by themselves take no arguments but `--help` and `--version`; their settings: [sidecar](../sidecar.md),
[operator](../operator.md), [injector](../injection.md#the-injector).

"""
RESOURCE_HEAD = """\
# Every field of a NotifyChannel

Made of [crds/notifychannels.yaml](../../crds/notifychannels.yaml) by `make reference`: what the API server knows of
each field, and what it refuses. With examples, and what `notifychannel lint` says: [the resource](../resource.md).
`[]` is each entry of a list, `{}` each value of a map; a field in bold is required. A rule is what has to hold, in
[CEL](https://kubernetes.io/docs/reference/using-api/cel/); where it does not, the API server answers with the sentence
before it.
"""
BOUNDS = {
    "minimum": "≥ {}", "maximum": "≤ {}", "minLength": "≥ {} characters", "maxLength": "≤ {} characters",
    "minItems": "≥ {} entries", "maxItems": "≤ {} entries", "minProperties": "≥ {} entries",
    "maxProperties": "≤ {} entries",
}  # fmt: skip
Schema = dict[str, Any]


def generated() -> dict[Path, str]:
    """Path → what has to be in it."""
    crd = yaml.safe_load((ROOT / "crds" / "notifychannels.yaml").read_text())
    (version,) = crd["spec"]["versions"]
    pages = ROOT / "docs" / "reference"
    return {pages / "cli.md": commands(), pages / "resource.md": resource(version["schema"]["openAPIV3Schema"])}


def commands() -> str:
    """A section a command, in the order of `notifychannel --help`, its own commands behind it."""
    parts = [CLI_HEAD + _help(cli, "notifychannel", None)]
    for name in COMMANDS:
        context = click.Context(cli, info_name="notifychannel")
        command = cli.get_command(context, name)
        assert command is not None, name  # noqa: S101 - COMMANDS is what the group looks into
        parts += _sections(command, name, context)
    return "\n".join(parts)


def _sections(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent)
    yield f"## {context.command_path}\n\n" + _help(command, name, parent)
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            if (below := command.get_command(context, each)) is not None:
                yield from _sections(below, each, context)


def _help(command: click.Command, name: str, parent: click.Context | None) -> str:
    context = click.Context(
        command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )  # fmt: skip
    return f"```text\n{command.get_help(context).strip()}\n```\n"


def resource(schema: Schema) -> str:
    """A section an object, in the file's order: a table of its fields, then what has to hold."""
    return RESOURCE_HEAD + "".join(
        _object(path, node) for name in ("spec", "status") for path, node in _objects(name, schema["properties"][name])
    )


def _objects(path: str, node: Schema) -> Iterator[tuple[str, Schema]]:
    """Every object with fields of its own, from the outside in."""
    if "properties" in node:
        yield path, node
    for name, child in node.get("properties", {}).items():
        yield from _objects(f"{path}.{name}", child)
    if "items" in node:
        yield from _objects(f"{path}[]", node["items"])


def _object(path: str, node: Schema) -> str:
    rows = [_row(name, child, required=name in node.get("required", ())) for name, child in node["properties"].items()]
    told: dict[str, list[str]] = {}
    for name, child in [("", node), *node["properties"].items()]:
        for field, line in _demands(name, child):
            told.setdefault(line, []).append(f"`{field}`" if field else "")
    demands = ""
    for line, names in told.items():
        demands += f"- {', '.join(names)}: {line}\n" if all(names) else f"- {line}\n"
    table = "| field | type | default | bounds | meaning |\n|---|---|---|---|---|\n" + "".join(rows)
    said = f"{node['description']}\n\n" if "description" in node else ""
    return f"\n## `{path}`\n\n{said}{table}" + (f"\n{demands}" if demands else "")


def _row(name: str, node: Schema, *, required: bool) -> str:
    default = f"`{_written(node['default'])}`" if "default" in node else ""
    shown = f"**`{name}`**" if required else f"`{name}`"
    return f"| {shown} | {_type(node)} | {default} | {_bounds(node)} | {_cell(node.get('description', ''))} |\n"


def _type(node: Schema) -> str:
    match node["type"]:
        case "array":
            return f"list of {_type(node['items'])}"
        case "object" if "additionalProperties" in node:
            return f"map to {_type(node['additionalProperties'])}"
        case kind:
            return f"{kind} ({node['format']})" if "format" in node else str(kind)


def _bounds(node: Schema) -> str:
    """Of the field, then of its entries."""
    said = [text.format(f"{node[key]:,}") for key, text in BOUNDS.items() if key in node]
    if "enum" in node:
        said.append(" ".join(f"`{value}`" for value in node["enum"]))
    if "x-kubernetes-list-map-keys" in node:
        said.append(f"no two with the same {' and '.join(node['x-kubernetes-list-map-keys'])}")
    elif node.get("x-kubernetes-list-type") == "set":
        said.append("no two alike")
    inner = node.get("items") or node.get("additionalProperties") or {}
    if inner and "properties" not in inner and (of_each := _bounds(inner)):
        said.append(f"each {of_each}")
    return ", ".join(said)


def _demands(name: str, node: Schema) -> Iterator[tuple[str, str]]:
    """Field → patterns and rules, with those of its entries where these have no section of their own."""
    if "pattern" in node:
        yield name, f"matches `{node['pattern']}`"
    if name == "" or "properties" not in node:
        for rule in node.get("x-kubernetes-validations", ()):
            said = rule.get("message") or f"`{_one_line(rule['messageExpression'])}`"
            at = f" (at `{rule['fieldPath']}`)" if "fieldPath" in rule else ""
            yield name, f"{said}{at}. Rule: `{_one_line(rule['rule'])}`"
    if name:
        for mark, inner in (("[]", node.get("items")), ("{}", node.get("additionalProperties"))):
            if inner and "properties" not in inner:
                yield from _demands(f"{name}{mark}", inner)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _written(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1000).strip().removesuffix("...").strip()


def _cell(text: str) -> str:
    return _one_line(text).replace("|", "\\|")


if __name__ == "__main__":
    for path, text in generated().items():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            print(f"written: {path.relative_to(ROOT)}")
