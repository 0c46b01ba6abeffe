"""https: the same promises over a real TLS server."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from smartgrid.http_client import connection
from smartgrid.http_client.client import HttpClient, NotSentError, OutcomeUnknownError
from support.rough_server import ok

Way = Callable[[ssl.SSLSocket], None]
LONGEST_S = 30.0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for localhost, signed by itself."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    subprocess.run([*command, *subject, "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
    with path.open("ab") as both:
        both.write(Path(f"{path}.crt").read_bytes())
    return path


@pytest.fixture(autouse=True)
def _trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    connection.tls_context.cache_clear()
    yield
    connection.tls_context.cache_clear()


@contextmanager
def tls_server(certificate: Path, *ways: Way) -> Iterator[HttpClient]:
    """A client of a server that treats its connections in these ways, one after the other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve() -> None:
        for way in ways:
            with suppress(OSError):  # also when the test is over
                plain, _ = listener.accept()
                plain.settimeout(LONGEST_S)
                with context.wrap_socket(plain, server_side=True) as encrypted:
                    way(encrypted)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LONGEST_S)
        thread = threading.Thread(target=serve)
        thread.start()
        with closing(HttpClient(f"https://localhost:{listener.getsockname()[1]}", connect_timeout_s=10)) as http:
            yield http
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(LONGEST_S)


def says(*raws: bytes) -> Way:
    def way(encrypted: ssl.SSLSocket) -> None:
        for raw in raws:
            encrypted.recv(65_536)
            encrypted.sendall(raw)

    return way


def closes(encrypted: ssl.SSLSocket) -> None:
    """As it should be done, by saying so."""
    with suppress(OSError):
        encrypted.unwrap()


def ask(http: HttpClient) -> bytes:
    return http.request("GET", "/", timeout_s=10, resend=False).body


def test_connections_are_kept(certificate: Path) -> None:
    with tls_server(certificate, says(ok(b"1"), ok(b"2"), ok(b"3"))) as http:
        assert [ask(http) for _ in range(3)] == [b"1", b"2", b"3"]


def test_what_comes_while_a_connection_is_kept_reaches_no_one(certificate: Path) -> None:
    sent = threading.Event()

    def stray_later(encrypted: ssl.SSLSocket) -> None:
        says(ok(b"1"))(encrypted)
        encrypted.sendall(ok(b"stray"))
        sent.set()
        encrypted.recv(1)

    with tls_server(certificate, stray_later, says(ok(b"2"))) as http:
        assert ask(http) == b"1"
        assert sent.wait(LONGEST_S)
        assert ask(http) == b"2"


def test_an_answer_may_end_with_the_connection(certificate: Path) -> None:
    def until_closed(encrypted: ssl.SSLSocket) -> None:
        says(b"HTTP/1.0 200 OK\r\n\r\nhello")(encrypted)
        closes(encrypted)

    with tls_server(certificate, until_closed) as http:
        assert ask(http) == b"hello"


def test_but_not_with_one_that_was_cut(certificate: Path) -> None:
    """Who cuts it on the way could leave out the answer's end."""

    def cut(encrypted: ssl.SSLSocket) -> None:
        says(b"HTTP/1.0 200 OK\r\n\r\nhel")(encrypted)

    with tls_server(certificate, cut) as http, pytest.raises(OutcomeUnknownError):
        ask(http)


def test_a_certificate_that_is_not_trusted_ends_it_before_anything_is_sent(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    connection.tls_context.cache_clear()
    with tls_server(certificate, says(ok(b"1"))) as http, pytest.raises(NotSentError, match="certificate"):
        ask(http)


def test_a_handshake_has_the_time_for_connecting_and_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url, begun_s = f"https://localhost:{silent.getsockname()[1]}", time.monotonic()
        with closing(HttpClient(url, connect_timeout_s=0.3)) as http, pytest.raises(NotSentError):
            http.request("GET", "/", timeout_s=60)
        assert time.monotonic() - begun_s < LONGEST_S
