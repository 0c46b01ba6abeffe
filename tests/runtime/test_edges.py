"""The server against clients that mean no good, or know no better: it goes on serving all the others."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from support.http import answers, call
from support.ports import free_port
from support.processes import environment, wait_until

SILENT = 1100
LONGEST_S = 60.0
H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"

PROGRAM = """
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.runtime.server import serve
from smartgrid.runtime.settings import ServiceSettings

def app(environ, start_response):
    body = environ["wsgi.input"].read() if environ["REQUEST_METHOD"] == "POST" else b"well"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

serve(app, ServiceSettings(), Lifecycle())
"""


@contextmanager
def server(**settings: object) -> Iterator[int]:
    """A server in a process of its own; yields its port."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment({"port": port, **settings}))
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"), LONGEST_S, "the server answers")
        yield port
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def shared() -> Iterator[int]:
    with server() as port:
        yield port


def connection(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), LONGEST_S)
    made.settimeout(LONGEST_S)
    return made


def is_well(port: int) -> bool:
    return call("GET", f"http://127.0.0.1:{port}/health", timeout_s=LONGEST_S).body == b"well"


@pytest.fixture
def many_files() -> Iterator[None]:
    """The process may have so many connections open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * SILENT)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_http_2_is_not_spoken(shared: int) -> None:
    """Its streams would hold a thread, and memory for headers, for a few bytes each."""
    with closing(connection(shared)) as made:
        made.sendall(H2_PREFACE)
        answer = made.recv(65_536)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert is_well(shared)


@pytest.mark.usefixtures("many_files")
def test_silent_connections_keep_no_one_out(shared: int) -> None:
    with ExitStack() as silent:
        for _ in range(SILENT):
            silent.enter_context(closing(connection(shared)))
        assert is_well(shared)


@pytest.mark.parametrize("begun", [b"", b"POST /charge HTTP/1.1\r\nHost: a\r\n"])
def test_a_request_whose_head_does_not_come_is_given_up(shared: int, begun: bytes) -> None:
    with closing(connection(shared)) as made:
        made.sendall(begun)
        answer = made.recv(65_536)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 408")
