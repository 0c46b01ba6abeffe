"""https: the server keeps its promises, and its certificate is replaced while it serves."""

from __future__ import annotations

import functools
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from smartgrid.http_server import connection, server
from smartgrid.http_server.server import HttpServer
from smartgrid.http_server.tls import ServerTls, TlsFilesError, TlsSocket
from smartgrid.http_server.turns import Kind
from support import certificates
from support.certificates import Certificate
from support.processes import Process, run_to_end, wait_until

LONGEST_S = 60.0
MOST = dict.fromkeys(Kind, 2)
LARGE = 5_000_000
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """Answers with the body, or the scheme, or something large."""
    found = environ["wsgi.input"].read() or environ["wsgi.url_scheme"].encode()
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"x" * LARGE if environ["PATH_INFO"] == "/large" else found]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Certificate, Certificate]:
    folder = tmp_path_factory.mktemp("certificates")
    return certificates.make(folder, "first"), certificates.make(folder, "second")


@pytest.fixture
def files(tmp_path: Path, made: tuple[Certificate, Certificate]) -> Certificate:
    """A copy of the first, to be replaced."""
    found = Certificate(tmp_path / "tls.crt", tmp_path / "tls.key")
    certificates.replace(found, made[0])
    return found


@pytest.fixture
def trusted(tmp_path: Path, made: tuple[Certificate, Certificate]) -> Path:
    """What a client trusts: both."""
    path = tmp_path / "trusted.crt"
    path.write_bytes(b"".join(each.cert.read_bytes() for each in made))
    return path


@contextmanager
def serving(files: Certificate) -> Iterator[HttpServer]:
    made = HttpServer(app, "127.0.0.1", 0, MOST, ServerTls(files.cert, files.key))
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def served(files: Certificate) -> Iterator[HttpServer]:
    with serving(files) as made:
        yield made


def url(served: HttpServer, path: str = "/") -> str:
    return f"https://localhost:{served.port}{path}"


def plain(served: HttpServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", served.port), LONGEST_S)


def shaken(served: HttpServer, trusted: Path) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(trusted))
    return context.wrap_socket(plain(served), server_hostname="localhost")


def subject(served: HttpServer, trusted: Path) -> str:
    """The name in the certificate that a new connection gets."""
    with closing(shaken(served, trusted)) as made:
        return str(dict(pair[0] for pair in made.getpeercert()["subject"])["commonName"])  # type: ignore[index]


def read_all(made: socket.socket) -> bytes:
    found = b""
    while part := made.recv(65_536):
        found += part
    return found


# ------------------------------------------------------------------ what it speaks


def test_requests_are_answered_over_one_kept_connection(served: HttpServer, trusted: Path) -> None:
    with requests.Session() as session:
        session.trust_env, session.verify = False, str(trusted)  # else a bundle in the environment counts for more
        assert [session.get(url(served), timeout=LONGEST_S).text for _ in range(3)] == ["https"] * 3
        assert session.post(url(served), data=b"x" * 60_000, timeout=LONGEST_S).content == b"x" * 60_000


def s_client(served: HttpServer, *options: object) -> subprocess.CompletedProcess[bytes]:
    """One request by `openssl s_client`."""
    whom = ("-connect", f"127.0.0.1:{served.port}", "-servername", "localhost")
    return subprocess.run(
        ["openssl", "s_client", *whom, "-ign_eof", *options],
        input=b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        capture_output=True,
        timeout=LONGEST_S,
        check=False,
    )


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_gets_a_whole_connection_with_its_end(served: HttpServer, trusted: Path, version: str) -> None:
    done = s_client(served, version, "-CAfile", trusted, "-verify_return_error", "-quiet", "-alpn", "h2,http/1.1")

    assert done.returncode == 0
    assert done.stdout.endswith(b"\r\n\r\nhttps")
    assert b"unexpected eof" not in done.stderr


def test_what_is_older_than_tls_1_2_is_refused(served: HttpServer) -> None:
    done = s_client(served, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")

    assert done.returncode == 1
    assert b"alert protocol version" in done.stderr


def test_plain_text_is_not_answered_as_a_request(served: HttpServer) -> None:
    with closing(plain(served)) as made:
        made.sendall(GET)
        found = b""
        with suppress(ConnectionResetError):
            found = read_all(made)
    assert b"HTTP/1.1" not in found


def test_an_answer_larger_than_any_buffer_comes_whole_to_a_slow_reader(served: HttpServer, trusted: Path) -> None:
    with closing(shaken(served, trusted)) as made:
        made.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        time.sleep(0.5)  # until the server cannot send any more
        found = read_all(made)
    assert found.endswith(b"x" * LARGE)


def test_a_request_may_come_in_many_records_and_several_of_it_in_one(served: HttpServer, trusted: Path) -> None:
    with closing(shaken(served, trusted)) as made:
        for part in (b"POST / HT", b"TP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 40000\r\n\r\n"):
            made.sendall(part)
        made.sendall(b"x" * 40_000)
        assert read_all(made).endswith(b"x" * 40_000)


def test_what_is_no_request_is_told_so_before_the_end(served: HttpServer, trusted: Path) -> None:
    with closing(shaken(served, trusted)) as made:
        made.sendall(b"nonsense\r\n\r\n")
        assert read_all(made).startswith(b"HTTP/1.1 400")


# ------------------------------------------------------------------ who does no harm


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_TIMEOUT_S", "IDLE_TIMEOUT_S", "LINGER_S"):
        monkeypatch.setattr(connection, name, 0.3)
    monkeypatch.setattr(server, "LOOK_S", 0.05)


@functools.cache
def hello() -> bytes:
    """The first bytes of a handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("begun", [b"", hello()[:20], hello()], ids=["silent", "half a hello", "a hello and no more"])
def test_a_handshake_that_does_not_go_on_is_ended(files: Certificate, begun: bytes) -> None:
    with serving(files) as served, closing(plain(served)) as made:
        made.sendall(begun)
        with suppress(ConnectionResetError):
            read_all(made)  # else it would wait for a minute, and fail


def test_handshakes_under_way_take_no_thread(served: HttpServer, trusted: Path) -> None:
    waiting = [plain(served) for _ in range(200)]
    for index, made in enumerate(waiting):
        made.sendall(hello()[: index + 1])

    assert requests.get(url(served), verify=str(trusted), timeout=LONGEST_S).text == "https"

    assert served._threads <= 5
    for made in waiting:
        made.close()


def test_clients_that_are_gone_before_or_within_the_handshake_leave_nothing(served: HttpServer, trusted: Path) -> None:
    for index in range(200):
        with closing(plain(served)) as made:
            if index % 2:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # with a reset
            made.sendall(hello()[: index * 3])

    wait_until(lambda: not served._open, LONGEST_S, "all connections are closed")
    assert requests.get(url(served), verify=str(trusted), timeout=LONGEST_S).text == "https"


def test_a_client_that_left_while_it_waited_is_noticed(served: HttpServer, trusted: Path) -> None:
    made = shaken(served, trusted)
    (ours,) = served._open
    assert not ours.is_gone()

    made.sendall(GET[:10])
    assert not ours.is_gone()
    made.close()

    wait_until(lambda: ours.is_gone() or ours not in served._open, LONGEST_S, "it is noticed")


def test_one_that_is_closed_by_another_thread_meanwhile_is_gone() -> None:
    ours, theirs = socket.socketpair()
    with closing(theirs):
        wrapped = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).wrap_socket(
            ours, server_side=True, do_handshake_on_connect=False
        )
        wrapped.close()
        assert TlsSocket(wrapped).recv(1, socket.MSG_PEEK) == b""


# ------------------------------------------------------------------ another certificate


def test_new_connections_get_the_new_certificate_and_the_old_go_on(
    served: HttpServer, files: Certificate, made: tuple[Certificate, Certificate], trusted: Path
) -> None:
    assert subject(served, trusted) == "first"
    with closing(shaken(served, trusted)) as old:
        certificates.replace(files, made[1])
        wait_until(lambda: subject(served, trusted) == "second", LONGEST_S, "the new certificate is used")

        old.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert read_all(old).endswith(b"https")


def test_no_request_is_dropped_while_certificates_are_replaced_under_load(
    served: HttpServer, files: Certificate, made: tuple[Certificate, Certificate], trusted: Path
) -> None:
    stop, failures, answered, seen = threading.Event(), list[str](), [0, 0, 0], set[str]()

    def ask(number: int) -> None:
        with requests.Session() as session:
            session.trust_env, session.verify = False, str(trusted)  # else a bundle in the environment counts for more
            while not stop.is_set():
                try:
                    headers = {"Connection": "close"} if answered[number] % 3 == 0 else {}
                    found = session.get(url(served), timeout=LONGEST_S, headers=headers)
                    if found.text != "https":
                        failures.append(found.text)
                    answered[number] += 1
                except requests.RequestException as error:
                    failures.append(repr(error))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(answered))]
    for thread in threads:
        thread.start()
    for turn in range(4):
        certificates.replace(files, made[(turn + 1) % 2])
        name = ("second", "first")[turn % 2]
        wait_until(lambda name=name: subject(served, trusted) == name, LONGEST_S, f"the {name} certificate is used")
        seen.add(name)
    stop.set()
    for thread in threads:
        thread.join()

    assert failures == []
    assert min(answered) > 10
    assert seen == {"first", "second"}


def test_files_that_do_not_fit_together_are_not_taken_and_tried_again(
    files: Certificate, made: tuple[Certificate, Certificate]
) -> None:
    tls = ServerTls(files.cert, files.key)
    before = tls._context

    files.cert.write_bytes(made[1].cert.read_bytes())
    tls.look()
    assert tls._context is before
    files.cert.unlink()
    tls.look()
    assert tls._context is before

    certificates.replace(files, made[1])
    tls.look()
    assert tls._context is not before


# ------------------------------------------------------------------ a service with it


def test_a_service_serves_https_and_its_probes_in_plain_text(tmp_path: Path, made: tuple[Certificate, ...]) -> None:
    from support.http import answers
    from support.ports import free_port

    probes = free_port()
    gateway = Process("gateway", tmp_path, probe_port=probes, balancer_url="http://127.0.0.1:1")
    gateway.settings |= {"tls_cert_file": made[0].cert, "tls_key_file": made[0].key}
    gateway.launch()
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{probes}/health"), LONGEST_S, "the gateway lives")
        found = requests.get(f"https://localhost:{gateway.port}/health", verify=str(made[0].cert), timeout=LONGEST_S)
        assert found.json() == {"status": "ok"}
        assert gateway.try_call("GET", "/health") is None
    finally:
        gateway.end()


def test_authorities_of_clients_that_cannot_be_used_are_refused_at_the_start(
    tmp_path: Path, made: tuple[Certificate, Certificate]
) -> None:
    for authorities in (tmp_path / "absent", made[0].key):
        with pytest.raises(TlsFilesError, match="must be a certificate and its key and authorities of clients"):
            ServerTls(made[0].cert, made[0].key, authorities)


def test_what_cannot_be_used_is_refused_at_the_start(tmp_path: Path, made: tuple[Certificate, Certificate]) -> None:
    locked = certificates.make(tmp_path, "locked", password="secret")
    wrong = {
        "do not fit": (made[0].cert, made[1].key),
        "is absent": (tmp_path / "absent", made[0].key),
        "is no certificate": (made[0].key, made[0].key),
        "has a password": (locked.cert, locked.key),
    }
    for cert, key in wrong.values():
        with pytest.raises(TlsFilesError, match="must be a certificate and its key"):
            ServerTls(cert, key)


def test_a_certificate_without_a_key_is_refused_in_one_sentence(tmp_path: Path) -> None:
    code, said = run_to_end("gateway", tls_cert_file=tmp_path / "a", data_dir=tmp_path)

    assert code == 2
    assert "SMARTGRID_TLS_CERT_FILE and SMARTGRID_TLS_KEY_FILE belong together" in said
