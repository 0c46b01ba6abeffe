"""An HTTP/1.1 answer, taken from the bytes of a connection as they come in. Knows no socket and no clock.

llhttp (httptools) splits the bytes; what this file adds is what belongs to *which* answer, and how much of it is
believed. Whoever sends the bytes may be broken, hostile or a proxy of another make, and whatever they send, one car's
answer must never be taken for the next car's:

- Interim answers (1xx: `100 Continue`, `103 Early Hints`) are passed over, as the answer comes after them. `101` is
  not: after it the connection no longer speaks HTTP.
- What follows the end of the answer is never read as another. The answer stands, as it was whole before that, but its
  connection is of no further use (`keep_alive`).
- An answer without a length ends with the connection, as in HTTP/1.0. With a length, or in chunks, it is broken then.
- Names and values of headers, what comes before a body, and the answer as a whole are bounded, also while they come
  in: a value without an end is given up at the bound. Trailers count and are dropped, so they replace no header.

Each answer gets a parser of its own (4 µs), so nothing of one can be left for the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httptools

MAX_ANSWER_BYTES = 64 * 1024
MAX_LIST_BYTES = 4 * 1024 * 1024
"""For lists of sessions; everything else has room in `MAX_ANSWER_BYTES`."""
MAX_HEAD_BYTES = 32 * 1024
MAX_HEADERS = 100
FIRST_FINAL_STATUS = 200
SWITCHING_PROTOCOLS = 101


class Headers(Mapping[str, str]):
    """An answer's headers; names in any case. What comes several times is one value, separated by commas."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def add(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self._values[key] = f"{self._values[key]}, {text}" if key in self._values else text

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class BrokenAnswerError(Exception):
    """The connection ended within an answer, or what came was not an answer, or more than is believed."""


class AnswerParser:
    """Takes the bytes of one answer. httptools calls the methods whose names begin with `on_`."""

    def __init__(self, max_answer_bytes: int = MAX_ANSWER_BYTES) -> None:
        self.complete = False
        self.keep_alive = False
        """Whether the connection can carry another request; of a complete answer."""
        self._parser = httptools.HttpResponseParser(self)
        self._status = 0
        self._headers, self._body = Headers(), list[bytes]()
        self._in_head = True
        self._max_bytes, self._bytes = MAX_HEAD_BYTES + max_answer_bytes, 0
        self._head_bytes = self._head_lines = 0

    @property
    def begun(self) -> bool:
        """Whether anything has come."""
        return self._bytes > 0

    def answer(self) -> Answer:
        """The answer, once it is complete."""
        return Answer(self._status, self._headers, b"".join(self._body))

    def feed(self, data: bytes) -> None:
        """Take the next bytes; none means that the connection has ended. Raises BrokenAnswerError."""
        if not data:
            self._end()
            return
        self._bytes += len(data)
        if self._bytes > self._max_bytes:
            raise BrokenAnswerError(f"the answer has more than {self._max_bytes} bytes")
        try:
            self._parser.feed_data(data)
        except Exception as error:  # a class of its own for an upgrade, one for each fault, one for ours from below
            self.keep_alive = False
            if not self.complete:
                raise BrokenAnswerError(f"not an HTTP answer: {error.__context__ or error}") from error
        if self._in_head and self._bytes > MAX_HEAD_BYTES:
            raise BrokenAnswerError(f"more than {MAX_HEAD_BYTES} bytes came before the answer's body")

    def _end(self) -> None:
        if self._in_head or "content-length" in self._headers or "transfer-encoding" in self._headers:
            raise BrokenAnswerError("the connection was closed before the end of the answer")
        self.complete = True

    def on_message_begin(self) -> None:
        if self.complete:
            raise BrokenAnswerError("more came after the answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_lines += 1
        self._head_bytes += len(name) + len(value)
        if self._head_lines > MAX_HEADERS or self._head_bytes > MAX_HEAD_BYTES:
            raise BrokenAnswerError(f"the answer has more than {MAX_HEADERS} headers or {MAX_HEAD_BYTES} bytes of them")
        if self._in_head:
            self._headers.add(name, value)

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        self._in_head = self._status < FIRST_FINAL_STATUS  # an interim answer: the head of the final one follows

    def on_body(self, part: bytes) -> None:
        self._body.append(part)

    def on_message_complete(self) -> None:
        if self._status >= FIRST_FINAL_STATUS:
            self.complete, self.keep_alive = True, self._parser.should_keep_alive()
        elif self._status == SWITCHING_PROTOCOLS:
            raise BrokenAnswerError("the server wants to speak another protocol")
        else:
            self._headers = Headers()
