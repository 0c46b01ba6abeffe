"""What TLS costs a gateway beside plain text: CPU of a request on a kept and a new connection, memory of an idle one.

ulimit -n 8192; python benchmarks/bench_tls.py
"""

from __future__ import annotations

import socket
import ssl
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from load import cpu_s, memory_mb

from support import certificates
from support.http import answers
from support.ports import free_port
from support.processes import Process, wait_until

KEPT, NEW, IDLE, ROUNDS = 5000, 1000, 2000, 3
REQUEST = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = certificates.make(Path(folder))
        context = ssl.create_default_context(cafile=str(made.cert))
        plain = launched(Path(folder) / "plain")
        tls = launched(Path(folder) / "tls", tls_cert_file=made.cert, tls_key_file=made.key)
        try:
            for _ in range(ROUNDS):  # side by side, as the machine may be busy
                for name, gateway, wrap in (("plain", plain, None), ("tls", tls, context)):
                    print(f"{name:<6}", measured(gateway, wrap))
            for name, gateway, wrap in (("plain", plain, None), ("tls", tls, context)):
                print(f"{name:<6} {held_kb(gateway, wrap):.1f} KB for an idle connection")
        finally:
            plain.end()
            tls.end()


def launched(folder: Path, **settings: object) -> Process:
    probes = free_port()
    gateway = Process("gateway", folder, probe_port=probes, balancer_url="http://127.0.0.1:1", **settings).launch()
    wait_until(lambda: answers(f"http://127.0.0.1:{probes}/health"), 60, "the gateway lives")
    return gateway


def connect(gateway: Process, context: ssl.SSLContext | None) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", gateway.port), 30)
    return context.wrap_socket(made, server_hostname="localhost") if context else made


def ask(made: socket.socket) -> None:
    made.sendall(REQUEST)
    found = b""
    while not found.endswith(b"}"):
        part = made.recv(65_536)
        assert part, "the gateway has closed the connection"
        found += part


def measured(gateway: Process, context: ssl.SSLContext | None) -> str:
    made, begun_s = connect(gateway, context), cpu_s(gateway.pid)
    for _ in range(KEPT):
        ask(made)
    made.close()
    kept_us, begun_s = (cpu_s(gateway.pid) - begun_s) / KEPT * 1e6, cpu_s(gateway.pid)
    for _ in range(NEW):
        with connect(gateway, context) as made:
            ask(made)
    new_us = (cpu_s(gateway.pid) - begun_s) / NEW * 1e6
    return f"{kept_us:.0f} us of CPU a request on a kept connection, {new_us:.0f} us on a new one"


def held_kb(gateway: Process, context: ssl.SSLContext | None) -> float:
    before_mb = memory_mb(gateway.pid)
    held = []
    for _ in range(IDLE):
        held.append(connect(gateway, context))
        ask(held[-1])
    found = (memory_mb(gateway.pid) - before_mb) * 1024 / IDLE
    for made in held:
        made.close()
    return found


if __name__ == "__main__":
    main()
