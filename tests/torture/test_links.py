"""A link does to connections what its fault says, also to those that are open already."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.processes import wait_until
from support.tcp_proxy import Fault, Link, Listener, TcpProxy

SHORT_S = 0.3  # long enough for anything to pass that does pass


class Echo:
    """Answers each message with itself in capitals, and remembers what arrived."""

    def __init__(self) -> None:
        self.arrived: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while message := connection.recv(1000):
                self.arrived.append(message)
                connection.sendall(message.upper())


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[TcpProxy]:
    with TcpProxy(echo.port, trigger=b"charge") as running:
        yield running


@contextmanager
def connected(proxy: TcpProxy | Listener) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2])), timeout=10) as connection:
        yield connection


def ask(connection: socket.socket, message: bytes = b"hello") -> bytes:
    connection.sendall(message)
    return connection.recv(1000)


def hears_nothing(connection: socket.socket) -> bool:
    connection.settimeout(SHORT_S)
    try:
        connection.recv(1000)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(10)
    return False


def is_over(connection: socket.socket) -> bool:
    try:
        return ask(connection) == b""
    except OSError:
        return True


def is_closed(proxy: TcpProxy | Listener) -> bool:
    """Whether a new connection is ended at once."""
    try:
        with connected(proxy) as connection:
            return is_over(connection)
    except ConnectionResetError:
        return True


def test_an_open_link_passes_all(proxy: TcpProxy) -> None:
    with connected(proxy) as connection:
        assert ask(connection) == b"HELLO"


def test_what_a_link_holds_arrives_when_it_is_mended(proxy: TcpProxy, echo: Echo) -> None:
    with connected(proxy) as connection:
        ask(connection)
        proxy.fail(Fault.HELD)
        connection.sendall(b"late")
        assert hears_nothing(connection)
        assert echo.arrived == [b"hello"]
        proxy.mend()
        assert connection.recv(1000) == b"LATE"


def test_what_a_link_holds_arrives_also_when_its_sender_has_left(proxy: TcpProxy, echo: Echo) -> None:
    proxy.fail(Fault.HELD)
    with connected(proxy) as connection:
        connection.sendall(b"late")
    assert echo.arrived == []
    proxy.mend()
    wait_until(lambda: echo.arrived == [b"late"], 10, "the request arrives")


def test_what_a_link_loses_never_arrives_and_its_connection_ends(proxy: TcpProxy, echo: Echo) -> None:
    with connected(proxy) as connection:
        ask(connection)
        proxy.fail(Fault.LOST)
        connection.sendall(b"lost")
        assert hears_nothing(connection)
        proxy.mend()
        assert is_over(connection)
    assert echo.arrived == [b"hello"]


def test_a_deaf_link_passes_requests_and_no_answers(proxy: TcpProxy, echo: Echo) -> None:
    proxy.fail(Fault.DEAF)
    with connected(proxy) as connection:
        connection.sendall(b"done")
        assert hears_nothing(connection)
        assert echo.arrived == [b"done"]


def test_a_cut_ends_open_connections_and_new_ones(proxy: TcpProxy) -> None:
    with connected(proxy) as connection:
        ask(connection)
        proxy.fail(Fault.CUT)
        assert is_over(connection)
    assert is_closed(proxy)
    proxy.mend()
    with connected(proxy) as connection:
        assert ask(connection) == b"HELLO"


def test_a_cut_answer_is_of_a_request_that_arrived(proxy: TcpProxy, echo: Echo) -> None:
    proxy.cuts = 1
    with connected(proxy) as connection:
        assert ask(connection) == b"HELLO"
        assert ask(connection, b"charge") == b""
    assert (echo.arrived, proxy.cut) == ([b"hello", b"charge"], 1)


def test_a_listener_that_refuses_lets_no_one_in_until_it_listens_again(proxy: TcpProxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError), connected(proxy):
        pass
    proxy.listen()
    with connected(proxy) as connection:
        assert ask(connection) == b"HELLO"


def test_a_listener_uses_the_links_that_are_usable_and_lead_somewhere(echo: Echo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nowhere = Link(int(closed.getsockname()[1]))
    unusable = Link(echo.port, usable=False)
    with Listener([nowhere, unusable, Link(echo.port)]) as listener, connected(listener) as connection:
        assert ask(connection) == b"HELLO"
        unusable.close()
        assert ask(connection) == b"HELLO"


def test_a_listener_without_a_usable_link_resets_connections(echo: Echo) -> None:
    with Listener([Link(echo.port, usable=False)]) as listener:
        assert is_closed(listener)
