"""Whom a client certificate names: from Python's TLS, or from what a proxy in front says of it. Pure.

nginx tells the subject as a distinguished name (RFC 4514: `CN=charger-1,O=Operator`), Envoy in one field of
`X-Forwarded-Client-Cert`, haproxy the common name as it is. The first two escape what a subject contains, so a name
with `,CN=other` in it stays one name. What could be read in two ways is no name: a header that is there twice,
quotation marks that do not end, a backslash before nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

XFCC, BARE_NAME = "x-forwarded-client-cert", "x-ssl-client-cn"
VERDICT_HEADERS = ("ssl-client-verify", "x-ssl-client-verify")
"""In which nginx and haproxy say whether they have accepted the certificate: its subject they tell in any case."""
ACCEPTED = ("SUCCESS", "0")
MAX_LENGTH = 8192
_HEX = frozenset("0123456789abcdefABCDEF")
_BACKSLASH = re.compile(r"\\(.)")


def common_name(peer: Mapping[str, Any] | None) -> str | None:
    """Of a certificate as `SSLSocket.getpeercert` tells it; None if there is none, or not exactly one name."""
    subject = peer.get("subject", ()) if peer else ()
    return _only(value for part in subject for key, value in part if key == "commonName")


def told_by_proxy(header: str, values: Sequence[str], verdicts: Sequence[str] = ()) -> str | None:
    """The common name in the header that a trusted proxy has set; None if there is none, or not exactly one.

    `values` are those of that header, `verdicts` those of the `VERDICT_HEADERS`. Proxies append to Envoy's header, also
    as another one of that name; the others there is one of.
    """
    kind = header.lower()
    told = ", ".join(values) if kind == XFCC else values[0] if len(values) == 1 else ""
    if not told or len(told) > MAX_LENGTH or any(verdict not in ACCEPTED for verdict in verdicts):
        return None
    if kind == BARE_NAME:
        return _decoded(told.encode("latin-1", "replace")) or None
    return _of_forwarded(told) if kind == XFCC else _of_subject(told)


def _of_forwarded(value: str) -> str | None:
    """Of the last element, which is of the proxy that is next to us; None where it tells no subject, or two.

    Envoy puts the subject in quotation marks as it is, though its manual says that what is quoted is escaped once more.
    So both readings must name the same: else a comma in an organisation's name would begin a common name in one.
    """
    elements = _split(value, ",")
    pairs = [pair.partition("=") for pair in _split(elements[-1], ";")] if elements else []
    found = [text.strip() for key, _, text in pairs if key.strip().lower() == "subject"]
    if len(found) != 1 or len(found[0]) < 2 or not found[0][0] == found[0][-1] == '"':
        return None
    subject = found[0][1:-1]
    name = _of_subject(subject)
    return name if name == _of_subject(_BACKSLASH.sub(r"\1", subject)) else None


def _of_subject(subject: str) -> str | None:
    parts = (part.partition("=") for part in _split(subject, ",+"))
    return _only(_unescaped(value.strip()) for key, _, value in parts if key.strip().upper() in ("CN", "2.5.4.3"))


def _unescaped(text: str) -> str:
    """Without the quotation marks around it, each backslash undone once: a pair of hexadecimal digits after it is a
    byte of UTF-8, anything else itself. "" where that cannot be."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    raw, at = bytearray(), 0
    while at < len(text):
        is_escape, rest = text[at] == "\\", text[at + 1 : at + 3]
        if is_escape and len(rest) == 2 and _HEX.issuperset(rest):
            raw.append(int(rest, 16))
            at += 3
        elif is_escape and not rest:
            return ""
        else:
            raw += (rest[0] if is_escape else text[at]).encode("latin-1", "replace")
            at += 2 if is_escape else 1
    return _decoded(bytes(raw))


def _decoded(raw: bytes) -> str:
    """Names are UTF-8; HTTP has their bytes as characters of Latin-1."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return ""


def _split(text: str, separators: str) -> list[str]:
    """At the separators that are neither escaped nor in quotation marks; none where these do not end."""
    found, begin, is_quoted, at = list[str](), 0, False, 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == '"':
            is_quoted = not is_quoted
        elif not is_quoted and text[at] in separators:
            found.append(text[begin:at])
            begin = at + 1
        at += 1
    return [] if is_quoted or at > len(text) else [*found, text[begin:]]


def _only(names: Iterator[str]) -> str | None:
    found = [*names]
    return found[0] if len(found) == 1 and found[0] else None
