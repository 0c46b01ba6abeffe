"""TLS for the server: a socket that the event loop treats as a plain one, and a certificate that may be replaced.

The loop in `server.py` and `connection.py` stays as it is: all that it asks of a socket is what a non-blocking one
does, which is to give what has come, to take what goes now, and to say BlockingIOError where that is nothing.
`TlsSocket` does this with OpenSSL in between. Three things it has to see to:

- The handshake is made of the first `recv`s, a step each time when something has come, so it takes no thread while it
  waits for the client, and the time for it is that for a request's headers: five seconds from the connection's
  beginning to their end (`connection.HEAD_TIMEOUT_S`). Only OpenSSL's arithmetic takes a thread, without Python's lock.
- What OpenSSL has decrypted already, epoll does not know of: a `recv` takes all that is left of a record. It does not
  read ahead, so what follows is still in the kernel, where epoll sees it.
- A write that did not go must be repeated with the same bytes, which `Connection.flush` does anyway.

The files of certificate and key are looked at twice a second. When they have changed, connections from then on get the
new certificate; those that are open go on with theirs, so nobody is cut off. Files that do not fit together (the one
replaced, the other not yet) are tried again at the next look, and the old certificate is used meanwhile.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import ssl
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)
Stamp = tuple[tuple[int, int, int], ...]


class TlsFilesError(Exception):
    """The files are no certificate with its key; the message is one sentence."""


class ServerTls:
    """Encrypts connections with the certificate in `cert_file`, with its chain, and the key in `key_file`.

    With `client_ca_file` a client may prove itself by a certificate of one of these authorities.
    """

    def __init__(self, cert_file: Path, key_file: Path, client_ca_file: Path | None = None) -> None:
        """Raises TlsFilesError."""
        self._files = (cert_file, key_file, *((client_ca_file,) if client_ca_file else ()))
        self._stamp: Stamp | None = None
        self._failed: Stamp | None = None
        try:
            self._stamp = self._looked_at()
            self._context = self._load()
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            files, what = f"{cert_file} and {key_file}", "a certificate and its key"
            if client_ca_file:
                files, what = f"{files} and {client_ca_file}", f"{what} and authorities of clients"
            raise TlsFilesError(f"{files} must be {what}: {_reason(error)}") from None

    @property
    def context(self) -> ssl.SSLContext:
        """For a connection that begins now."""
        return self._context

    def wrap(self, accepted: socket.socket) -> TlsSocket:
        """The server's side of a connection that has just been accepted. Raises OSError where it has ended."""
        accepted.setblocking(False)
        try:
            wrapped = self._context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
        except ValueError as error:  # a client that sent something and was gone at once
            raise ConnectionResetError(str(error)) from error
        return TlsSocket(wrapped)

    def look(self) -> None:
        """Take the certificate anew if the files have changed."""
        try:
            stamp = self._looked_at()
            if stamp == self._stamp:
                return
            self._context = self._load()
        except (OSError, ValueError) as error:
            self._say(error)
            return
        self._stamp, self._failed = stamp, None
        log.info("the certificate was replaced")

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        cert_file, key_file, *authorities = self._files
        context.load_cert_chain(cert_file, key_file, password=_no_password)
        for file in authorities:
            context.load_verify_locations(file)
            context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def _looked_at(self) -> Stamp:
        found = [path.stat() for path in self._files]
        return tuple((each.st_ino, each.st_mtime_ns, each.st_size) for each in found)

    def _say(self, error: Exception) -> None:
        """Once for each state of the files."""
        stamp: Stamp = ()
        with suppress(OSError):
            stamp = self._looked_at()
        if stamp != self._failed:
            self._failed = stamp
            log.warning("the new certificate cannot be used; the old one is", extra={"reason": _reason(error)})


class TlsSocket:
    """As far as a connection uses a socket."""

    def __init__(self, wrapped: ssl.SSLSocket) -> None:
        self._ssl = wrapped
        self._is_open = self._is_over = False
        """Whether hands are shaken; whether our side has said that it ends."""
        self.fileno, self.setblocking = wrapped.fileno, wrapped.setblocking
        self.setsockopt = wrapped.setsockopt

    def recv(self, size: int, flags: int = 0) -> bytes:
        """What has come. Raises BlockingIOError where nothing has, other OSErrors where nothing will.

        With MSG_PEEK nothing is read: it is b"" where the client has ended, else a BlockingIOError. After our own end
        it is what comes as it comes.
        """
        if flags:
            return self._looked_whether_gone()
        if self._is_over:
            return socket.socket.recv(self._ssl, size)
        try:
            if not self._is_open:
                self._ssl.do_handshake()
                self._is_open = True
            data = self._ssl.recv(size)
            while data and (left := self._ssl.pending()):
                data += self._ssl.recv(left)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise BlockingIOError from error
        return data

    def send(self, data: bytes | memoryview) -> int:
        """What goes now. Raises BlockingIOError where nothing does: then the same must be sent again."""
        if not self._is_open:
            raise ConnectionAbortedError("there is nobody to send to")
        try:
            return self._ssl.send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise BlockingIOError from error

    def shutdown(self, how: int) -> None:
        self._say_goodbye()
        self._ssl.shutdown(how)

    def close(self) -> None:
        self._say_goodbye()
        self._ssl.close()

    def _say_goodbye(self) -> None:
        """So that the client knows that nothing is missing; its own goodbye is not waited for."""
        if self._is_open:
            with suppress(OSError, ValueError):
                self._ssl.unwrap()
        self._is_open, self._is_over = False, True

    def _looked_whether_gone(self) -> bytes:
        number = self.fileno()
        if number < 0:  # the loop has closed it meanwhile, as a plain socket would say by an error
            return b""
        look = select.poll()
        look.register(number, select.POLLRDHUP)
        if look.poll(0):
            return b""
        raise BlockingIOError


def _no_password() -> str:
    """An encrypted key is refused; without this OpenSSL would ask the terminal."""
    raise ValueError("the key has a password")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror.lower()}{f' ({os.fspath(error.filename)})' if error.filename else ''}"
    return str(error)
