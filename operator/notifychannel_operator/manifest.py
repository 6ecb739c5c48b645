"""NotifyChannel resources → `spec.Channel` values, or SpecError with everything that is wrong at once.

They come as YAML text, in which other resources are ignored, or as objects from the API server. Knows no database:
whether a table exists is for the plan to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifychannel_operator.resource import api_object, document
from notifychannel_operator.resource.channel import read_channel
from notifychannel_operator.resource.document import Mapping, Scalar, Sequence
from notifychannel_operator.resource.fields import Fields
from notifychannel_operator.resource.report import Problem, Report, SpecError, printable
from notifychannel_operator.resource.scalar import is_null, what
from notifychannel_operator.resource.shape import API_VERSION, KIND

if TYPE_CHECKING:
    import collections.abc
    from collections.abc import Iterator
    from pathlib import Path

    from notifychannel_operator.resource.document import Node
    from notifychannel_operator.spec import Channel

__all__ = ["Problem", "SpecError", "from_object", "load", "parse"]

GROUP = API_VERSION.partition("/")[0]
LISTS = frozenset({"List", "NotifyChannelList"})


def load(path: Path) -> tuple[Channel, ...]:
    """`parse` of a file; raises SpecError also where it can't be read."""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _failure(path, "is not UTF-8; save it as UTF-8", line=line) from None
    except FileNotFoundError:
        raise _failure(path, "no such file; check the path") from None
    except IsADirectoryError:
        raise _failure(path, "is a folder; name the files in it") from None
    except OSError as error:
        raise _failure(path, f"can't be read ({error.strerror}); check its permissions") from None
    return parse(text, file=str(path))


def parse(text: str, *, file: str) -> tuple[Channel, ...]:
    """Each NotifyChannel of the text, in its order; `file` is what problems call it. Raises SpecError and nothing else.

    Several documents and `kind: List` are read through; a text without any NotifyChannel is an error.
    """
    report = Report(file=file)
    channels: list[Channel] = []
    for node in document.read(text, report=report):
        for fields in _resources(node, prefix="", report=report):
            channels.append(read_channel(fields))
            report.problems += fields.report.problems
    if not channels and not report.problems:
        report.say(line=0, path="", message=f"holds no {KIND}; write one, or leave this file out")
    report.raise_if_any()
    return tuple(channels)


def from_object(body: collections.abc.Mapping[str, object]) -> Channel:
    """The channel in an object as the API server gives it (JSON values); `status` is not looked at.

    The judgement and the sentences are those of `parse`, without file and line. Raises SpecError, and TypeError for
    what is no JSON.
    """
    report = Report(file="")
    channel = read_channel(_resource(api_object.resource(body), prefix="", report=report))
    report.raise_if_any()
    return channel


def _resources(node: Node, *, prefix: str, report: Report) -> Iterator[Fields]:
    """The NotifyChannels in a document; complains about what is no resource, or may be meant to be ours."""
    if is_null(node):  # an empty document, as `---` at the end of a file makes
        return
    if not isinstance(node, Mapping):
        message = f"{what(node)} stands here; write a resource: apiVersion, kind, metadata and spec"
        report.say(line=node.line, path=prefix, message=message)
        return
    kind = _word(node, "kind")
    if kind in LISTS and not prefix:  # a list of lists is nobody's, and by aliases it could be endless
        yield from _items(node, report=report)
    elif kind == KIND or _word(node, "apiVersion").startswith(f"{GROUP}/"):
        # A report of its own: what is wrong with one resource must not silence what is said about the next.
        yield _resource(node, prefix=prefix, report=Report(file=report.file))
    elif not kind:
        report.say(line=node.line, path=f"{prefix}.kind".lstrip("."), message=f"is required; write {KIND}")


def _resource(node: Mapping, *, prefix: str, report: Report) -> Fields:
    """The fields of what is meant to be ours."""
    fields = Fields.of(node, path="", report=report, prefix=prefix)
    fields.text("apiVersion", _version, remedy=f"write {API_VERSION}")
    fields.text("kind", _kind, remedy=f"write {KIND}")
    return fields


def _items(node: Mapping, *, report: Report) -> Iterator[Fields]:
    _, items = node.entries.get("items", (None, None))
    for index, item in enumerate(items.items if isinstance(items, Sequence) else ()):
        yield from _resources(item, prefix=f"items[{index}]", report=report)


def _word(node: Mapping, name: str) -> str:
    _, value = node.entries.get(name, (None, None))
    return value.text if isinstance(value, Scalar) else ""


def _version(text: str) -> str | None:
    return None if text == API_VERSION else f'"{printable(text)}" is not known; write {API_VERSION}'


def _kind(text: str) -> str | None:
    return None if text == KIND else f'"{printable(text)}" is not known; write {KIND}'


def _failure(path: Path, message: str, *, line: int = 0) -> SpecError:
    return SpecError((Problem(file=str(path), line=line, path="", message=message),))
