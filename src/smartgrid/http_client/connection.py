"""One HTTP/1.1 connection: a request goes out as bytes, its answer comes back whole, all of it before a deadline."""

from __future__ import annotations

import functools
import select
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from smartgrid.http_client.addresses import Address, Addresses
from smartgrid.http_client.answer import Answer, AnswerParser, BrokenAnswerError

CHUNK_BYTES = 16 * 1024
MAX_TRIED = 4
"""Addresses of a host that are tried for one connection."""


class ClosedError(BrokenAnswerError):
    """The connection was closed before one byte of the answer: mostly by a server that had found it idle for long."""


class Connection:
    """A connection that is open. Deadlines are on the monotonic clock."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._readable = select.poll()
        self._readable.register(opened, select.POLLIN)
        self.opened_s = time.monotonic()

    def is_idle(self) -> bool:
        """Whether nothing has come since the last answer: no end of the connection, and no bytes that were asked for
        by no one, which would be taken for the next answer."""
        buffered = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()
        return not buffered and not self._readable.poll(0)

    def exchange(self, request: bytes, end_s: float, max_answer_bytes: int) -> tuple[Answer, bool]:
        """Send, and wait for the answer; also whether the connection can be used again.

        Raises TimeoutError, or BrokenAnswerError.
        """
        parser = AnswerParser(max_answer_bytes)
        try:
            self._send(request, end_s)
            while not parser.complete:
                self._socket.settimeout(left_s(end_s))
                parser.feed(self._socket.recv(CHUNK_BYTES))
        except TimeoutError:
            raise
        except (OSError, BrokenAnswerError) as error:
            if not parser.begun:
                raise ClosedError(str(error) or type(error).__name__) from error
            raise BrokenAnswerError(str(error) or type(error).__name__) from error
        finally:
            parser.end()
        return parser.answer(), parser.keep_alive

    def close(self) -> None:
        self._socket.close()

    def _send(self, request: bytes, end_s: float) -> None:
        """`sendall` of TLS would give every part of it the whole time."""
        sent = 0
        while sent < len(request):
            self._socket.settimeout(left_s(end_s))
            sent += self._socket.send(request[sent:] if sent else request)


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom a server has to prove to be: `name`, by a certificate of one of the authorities in `ca_file`, or of those
    that this machine trusts."""

    name: str
    ca_file: Path | None = None


def connect(addresses: Addresses, end_s: float, tls: Tls | None) -> Connection:
    """Connect to one of the host's addresses, and shake hands where there is TLS, all before `end_s`.

    Each address gets an equal share of the time that is left, so one that drops packets does not use up that of the
    next. Raises OSError.
    """
    failure = OSError("the host has no address")
    candidates = addresses.find(end_s)[:MAX_TRIED]
    for index, address in enumerate(candidates):
        try:
            return Connection(_open(address, left_s(end_s) / (len(candidates) - index), tls))
        except OSError as error:
            failure = error
            addresses.demote(address)
    raise failure


def _open(address: Address, timeout_s: float, tls: Tls | None) -> socket.socket:
    end_s = time.monotonic() + timeout_s
    family, place = address
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.settimeout(timeout_s)
        opened.connect(place)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            opened.settimeout(left_s(end_s))
            # not suppressed: without it, who cuts the connection could shorten an answer that ends with it
            context = tls_context(tls.ca_file)
            opened = context.wrap_socket(opened, server_hostname=tls.name, suppress_ragged_eofs=False)
    except BaseException:
        opened.close()
        raise
    return opened


@functools.cache
def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """By which a server is trusted."""
    context = ssl.create_default_context(cafile=ca_file)  # reads all the certificate authorities: once is enough
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # which some builds of Python set: a cut answer is no whole one
    return context


def left_s(end_s: float) -> float:
    """Seconds until `end_s`. Raises TimeoutError if it has passed."""
    left = end_s - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time is up")
    return left
