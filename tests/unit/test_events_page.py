"""docs/events.md: each line of a log of ours has its event, and the page lists them all, with their levels."""

from __future__ import annotations

import ast
import json
import logging
import re
from pathlib import Path

import pytest

from notifychannel_operator import events as of_operator
from notifychannel_operator import log as operator_log
from notifychannel_sidecar import events as of_sidecar
from notifychannel_sidecar import log as sidecar_log

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "events.md").read_text()
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
PROGRAMS = {
    "## The sidecar": ("sidecar/notifychannel_sidecar", of_sidecar.Event),
    "## Operator and injector": ("operator/notifychannel_operator", of_operator.Event),
}
DYNAMIC = {"delivering": {"info"}, "not-delivering": {"warning"}, "channel-said": {"info", "warning"}}
"""Where the level is decided by what happened."""


def calls(program):
    """Of the module's logger: where, and the call."""
    for path in sorted((ROOT / program).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=level)) if level in LEVELS:
                    yield f"{path.name}:{node.lineno}", level, node


def named(call):
    """The events that a call may carry."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == "extra"]
    text = ast.unparse(given[0]) if given else ""
    return re.findall(r"Event\.([A-Z_]+)", text) if text.endswith(".tag") else []


def listed(section):
    """Event → levels."""
    text = PAGE.partition(section + "\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| ([a-z, ]+) \| \S.* \|$", text, re.MULTILINE)
    assert len(rows) == len(dict(rows))
    return {name: set(levels.split(", ")) for name, levels in rows}


@pytest.mark.parametrize("section", PROGRAMS)
def test_each_line_of_a_log_carries_an_event(section):
    program, _ = PROGRAMS[section]
    assert [where for where, _, call in calls(program) if not named(call)] == []


@pytest.mark.parametrize("section", PROGRAMS)
def test_nobody_logs_but_by_the_modules_logger(section):
    """Or it would not be looked at here."""
    program, _ = PROGRAMS[section]
    texts = {path.name: path.read_text() for path in (ROOT / program).rglob("*.py")}
    other = re.compile(r"^(?!log = ).*getLogger\(__name__\)", re.MULTILINE)
    assert [name for name, text in texts.items() if other.search(text)] == []
    assert [name for name, text in texts.items() if re.search(r"\blogging\.(debug|info|warning|error)\(", text)] == []


@pytest.mark.parametrize("section", PROGRAMS)
def test_the_page_lists_the_events_and_no_others_and_at_which_levels(section):
    program, events = PROGRAMS[section]
    said: dict[str, set[str]] = {}
    for _, level, call in calls(program):
        for name in named(call):
            event = events[name].value
            said.setdefault(event, set()).update(DYNAMIC[event] if level == "log" else {level})
    assert listed(section) == said
    assert {event.value for event in events} == said.keys()


def test_an_event_is_called_in_the_log_as_in_the_code():
    for _, events in PROGRAMS.values():
        for event in events:
            assert event.value == event.name.lower().replace("_", "-")


@pytest.mark.parametrize("made", [sidecar_log, operator_log], ids=["sidecar", "operator"])
def test_a_line_is_one_object_with_the_event_and_one_of_a_library_has_none(made):
    """Mutant: the formatter leaves the event out."""
    tag = of_sidecar.Event.SERVING.tag
    ours = logging.makeLogRecord({"name": "a", "levelname": "INFO", "msg": "port %d", "args": (1,), **tag})
    line = json.loads(made.JsonFormatter().format(ours))
    assert list(line) == ["at", "level", "event", "logger", "message"]
    assert (line["event"], line["message"]) == ("serving", "port 1")
    theirs = logging.makeLogRecord({"name": "kopf", "levelname": "WARNING", "msg": "x"})
    assert "event" not in json.loads(made.JsonFormatter().format(theirs))


def test_the_line_of_the_page_is_such_a_line():
    (text,) = re.findall(r"```json\n(.*?)\n```", PAGE, re.DOTALL)
    line = json.loads(text)
    assert list(line) == ["at", "level", "event", "logger", "message"]
    assert line["level"] in listed("## The sidecar")[line["event"]]
