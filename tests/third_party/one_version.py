"""A relay before an edge that lets a charger offer one version of OCPP only: which is taken is the edge's choice."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

OFFERED = re.compile(rb"(?im)^sec-websocket-protocol:[^\r\n]*")
MAX_HEAD_BYTES = 65536
TIMEOUT_S = 10.0


class OneVersion:
    """Listens at `port`; each connection is relayed to `upstream`, its handshake with `subprotocol` alone."""

    def __init__(self, upstream: int, subprotocol: str) -> None:
        self._upstream, self._offer = upstream, f"Sec-WebSocket-Protocol: {subprotocol}".encode()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._upstream), TIMEOUT_S)
                server.settimeout(None)
            except OSError:
                return
            self._open += [client, server]
            threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and len(head) < MAX_HEAD_BYTES:
            data = client.recv(4096)
            if not data:
                return
            head += data
        server.sendall(OFFERED.sub(self._offer, head))
        threading.Thread(target=_pipe, args=(server, client), daemon=True).start()
        _pipe(client, server)


def _pipe(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
