"""A server that resets connections leaves no socket behind. Here a warning of one is an error (pytest.ini)."""

from __future__ import annotations

import gc
import socket
import struct
import threading
from contextlib import closing, suppress

import requests

from harness.https import Adapter

RESETS = 300
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: reset, and not wait


def test_connections_that_are_reset_are_closed() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server, requests.Session() as session:

        def reset() -> None:
            with suppress(OSError):  # the test is over
                while True:
                    connection, _ = server.accept()
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                    connection.close()

        threading.Thread(target=reset, daemon=True).start()
        session.trust_env = False
        session.mount("https://", Adapter())
        failures = 0
        for _ in range(RESETS):
            try:
                session.get(f"https://127.0.0.1:{server.getsockname()[1]}/", timeout=10)
            except requests.RequestException:
                failures += 1
        server.shutdown(socket.SHUT_RDWR)
    gc.collect()
    assert failures == RESETS
