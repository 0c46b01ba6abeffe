"""HTTP answers for fuzzing: good ones of every form, what can be made of them, and where packets may end.

All choices come from a `random.Random`, so a seed says all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

INTERIM = (
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\nContent-Length: 3\r\n\r\n",
)
STATUS_LINES = (b"HTTP/1.1 200 OK", b"HTTP/1.1 201 Created", b"HTTP/1.1 503 Service Unavailable", b"HTTP/1.0 200 OK")
TOKENS = (
    b"\r\n",
    b"\r\n\r\n",
    b"\0",
    b"\xff",
    b"Content-Length: 0\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: x\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n",
    b"HTTP/1.1 ",
    b"0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b": ",
    b" ",
)


@dataclass(frozen=True)
class Good:
    """A good answer, which ends with the connection where it has no length."""

    raw: bytes
    body: bytes
    ends_with_connection: bool


def good(rng: Random, marker: bytes) -> Good:
    """An answer that has `marker` in its header `X-Marker` and in its body, after a few interim ones."""
    body = marker + rng.randbytes(rng.choice((0, 1, 50, 3000)))
    lines = [rng.choice(STATUS_LINES), b"X-Marker: " + marker]
    lines += [b"X-%d: %s" % (number, b"a" * number) for number in range(rng.randrange(4))]
    framing = rng.choice(("length", "chunks", "end"))
    if framing == "chunks" and lines[0].startswith(b"HTTP/1.0"):
        framing = "length"
    if framing == "length":
        lines.append(b"Content-Length: %d" % len(body))
    elif framing == "chunks":
        lines.append(b"Transfer-Encoding: chunked")
    else:
        lines.append(b"Connection: close")
    sent = _in_chunks(rng, body) if framing == "chunks" else body
    before = b"".join(rng.choice(INTERIM) for _ in range(rng.choice((0, 0, 1, 2))))
    return Good(before + b"\r\n".join([*lines, b"", sent]), body, framing == "end")


def _in_chunks(rng: Random, body: bytes) -> bytes:
    parts = [b"%x\r\n%s\r\n" % (len(part), part) for part in pieces(rng, body) if part]
    return b"".join([*parts, b"0\r\n", rng.choice((b"", b"X-Marker: trailer\r\n")), b"\r\n"])


def mutated(rng: Random, raw: bytes) -> bytes:
    """Cut, doubled, shuffled and mixed with others' tokens; or other bytes altogether."""
    if rng.randrange(10) == 0:
        return rng.randbytes(rng.choice((0, 1, 100)))
    for _ in range(rng.randrange(1, 5)):
        start = rng.randrange(len(raw) + 1)
        end = min(len(raw), start + rng.choice((0, 1, 2, 5, 30)))
        raw = raw[:start] + _instead(rng, raw[start:end]) + raw[end:]
    return raw


def _instead(rng: Random, part: bytes) -> bytes:
    way = rng.randrange(5)
    if way == 0:
        return b""
    if way == 1:
        return part * 2
    if way == 2:
        return rng.randbytes(len(part))
    return rng.choice(TOKENS) + (part if way == 3 else b"")


def pieces(rng: Random, raw: bytes) -> list[bytes]:
    """The bytes in order, divided at up to five places; now and then byte by byte."""
    if len(raw) < 200 and rng.randrange(10) == 0:
        return [raw[at : at + 1] for at in range(len(raw))]
    cuts = sorted(rng.randrange(len(raw) + 1) for _ in range(rng.randrange(6)))
    return [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
