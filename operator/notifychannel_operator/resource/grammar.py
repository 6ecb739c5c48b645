"""What may stand in the texts of a resource: each function answers with a complaint, or None where nothing is wrong."""

from __future__ import annotations

import re

from notifychannel_operator.names import MAX_IDENTIFIER_BYTES

LABEL_CHARACTERS = 63
SUBDOMAIN_CHARACTERS = 253
PATH_CHARACTERS = 1024
VALUE_BYTES = 1024
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_RULE = re.compile(r"[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?", re.ASCII)
_PATH = re.compile(r"/[!-~]*", re.ASCII)


def label(text: str) -> str | None:
    """RFC 1123, as Kubernetes wants of namespaces and of names that become label values.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
    """
    if len(text) <= LABEL_CHARACTERS and _LABEL.fullmatch(text):
        return None
    return f"write at most {LABEL_CHARACTERS} of a-z, 0-9 and -, with a letter or digit at both ends"


def subdomain(text: str) -> str | None:
    """RFC 1123, as Kubernetes wants of most objects' names."""
    if len(text) <= SUBDOMAIN_CHARACTERS and _SUBDOMAIN.fullmatch(text):
        return None
    return f"write at most {SUBDOMAIN_CHARACTERS} of a-z, 0-9, - and ., with a letter or digit at both ends"


def rule_name(text: str) -> str | None:
    """As a label's value in Kubernetes and Prometheus: it names the rule in errors."""
    if len(text) <= LABEL_CHARACTERS and _RULE.fullmatch(text):
        return None
    return f"write at most {LABEL_CHARACTERS} of A-Z, a-z, 0-9, -, _ and ., with a letter or digit at both ends"


def identifier(text: str) -> str | None:
    """A name in PostgreSQL, without its SQL quotes: https://www.postgresql.org/docs/current/sql-syntax-lexical.html"""
    return _bytes(text, least=1, most=MAX_IDENTIFIER_BYTES)


def value(text: str) -> str | None:
    """What a column is compared with."""
    return _bytes(text, least=0, most=VALUE_BYTES)


def url_path(text: str) -> str | None:
    """The path of a URL, without query and fragment."""
    if len(text) <= PATH_CHARACTERS and _PATH.fullmatch(text) and not set(text) & set("?#"):
        return None
    if not text.startswith("/"):
        return 'has to start with "/"; write for example "/hints"'
    if len(text) > PATH_CHARACTERS:
        return f"has {len(text)} characters; {PATH_CHARACTERS} is the most"
    return 'holds "?", "#", a space, a control character or one beyond ASCII; write it percent-encoded'


def _bytes(text: str, *, least: int, most: int) -> str | None:
    if "\0" in text:
        return "holds a NUL byte, which PostgreSQL can't store; remove it"
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError:
        return "holds half of a surrogate pair; write the whole character"
    if size_bytes < least:
        return "is empty; write a name"
    return f"has {size_bytes} bytes; {most} is the most" if size_bytes > most else None
