"""Whom a client certificate names: from Python's TLS, or from what a proxy in front says of it. Pure.

nginx tells the subject as a distinguished name (RFC 4514: `CN=charger-1,O=Operator`), Envoy in one field of
`X-Forwarded-Client-Cert`. Both escape what a subject contains, so a name with `,CN=other` in it stays one name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

XFCC = "x-forwarded-client-cert"
VERIFIED_HEADER, VERIFIED = "ssl-client-verify", "SUCCESS"
"""Of nginx, which tells the subject of a certificate that it has not accepted, too."""
MAX_LENGTH = 8192
_HEX_PAIR = re.compile(r"\\([0-9A-Fa-f]{2})")


def common_name(peer: Mapping[str, Any] | None) -> str | None:
    """Of a certificate as `SSLSocket.getpeercert` tells it; None if there is none, or not exactly one name."""
    subject = peer.get("subject", ()) if peer else ()
    return _only(value for part in subject for key, value in part if key == "commonName")


def told_by_proxy(header: str, value: str | None, verified: str | None) -> str | None:
    """The common name in the header that a trusted proxy has set; None if there is none, or not exactly one."""
    if not value or len(value) > MAX_LENGTH or (verified is not None and verified != VERIFIED):
        return None
    return _of_subject(_forwarded_subject(value) if header.lower() == XFCC else value)


def _forwarded_subject(value: str) -> str:
    """Of the last element, which is of the proxy that is next to us; "" where it tells none, or two."""
    element = list(_split(value, ","))[-1]
    pairs = [pair.partition("=") for pair in _split(element, ";")]
    found = [text for key, _, text in pairs if key.strip().lower() == "subject"]
    return re.sub(r"\\(.)", r"\1", found[0].strip()[1:-1]) if len(found) == 1 and found[0].strip()[:1] == '"' else ""


def _of_subject(subject: str) -> str | None:
    parts = (part.partition("=") for part in _split(subject, ",+"))
    return _only(_unescaped(value.strip()) for key, _, value in parts if key.strip().upper() in ("CN", "2.5.4.3"))


def _unescaped(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = value[1:-1]
    raw = _HEX_PAIR.sub(lambda pair: chr(int(pair[1], 16)), value)
    if raw != value:  # the pairs are bytes of UTF-8
        try:
            raw = raw.encode("latin-1").decode()
        except UnicodeError:
            return ""
    return re.sub(r"\\(.)", r"\1", raw)


def _split(text: str, separators: str) -> Iterator[str]:
    """At the separators that are neither escaped nor in quotation marks."""
    begin, is_quoted, at = 0, False, 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == '"':
            is_quoted = not is_quoted
        elif not is_quoted and text[at] in separators:
            yield text[begin:at]
            begin = at + 1
        at += 1
    yield text[begin:]


def _only(names: Iterator[str]) -> str | None:
    found = [*names]
    return found[0] if len(found) == 1 and found[0] else None
