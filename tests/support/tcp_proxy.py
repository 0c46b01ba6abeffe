"""A TCP proxy that fails on purpose, between real processes."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType

CHUNK = 65536
JOIN_TIMEOUT_S = 10.0


class TcpProxy:
    """Passes connections on to a port of this machine.

    While `cuts` is above 0, a request that contains `trigger` is passed on, and both connections are closed as soon as
    its answer begins to arrive: done, and not heard of. Each such cut lowers `cuts` by one.
    """

    def __init__(self, target_port: int, trigger: bytes = b"POST /charge") -> None:
        self._target_port, self._trigger = target_port, trigger
        self._lock = threading.Lock()
        self.cuts = 0
        self.cut = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> TcpProxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            still_open = list(self._open)
        for each in still_open:
            _close(each)
        self._thread.join(JOIN_TIMEOUT_S)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target_port), timeout=5)
        except OSError:
            _close(client)
            return
        server.settimeout(None)
        with self._lock:
            self._open |= {client, server}
        doomed = threading.Event()
        back = threading.Thread(target=self._pump_back, args=(server, client, doomed), daemon=True)
        back.start()
        with suppress(OSError):
            while chunk := client.recv(CHUNK):
                if self._trigger in chunk and self._takes_a_cut():
                    doomed.set()
                server.sendall(chunk)
        if not doomed.is_set():
            _close(server)
        back.join(JOIN_TIMEOUT_S)
        self._forget(client, server)

    def _pump_back(self, server: socket.socket, client: socket.socket, doomed: threading.Event) -> None:
        with suppress(OSError):
            while chunk := server.recv(CHUNK):
                if doomed.is_set():
                    break
                client.sendall(chunk)
        _close(server)
        _close(client)

    def _takes_a_cut(self) -> bool:
        with self._lock:
            taken = self.cuts > 0
            self.cuts -= taken
            self.cut += taken
            return taken

    def _forget(self, *sockets: socket.socket) -> None:
        with self._lock:
            self._open.difference_update(sockets)
        for each in sockets:
            each.close()


def _close(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
