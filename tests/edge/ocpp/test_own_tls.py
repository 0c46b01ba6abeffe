"""An edge that ends TLS itself, against clients that do as they like, and files that are replaced while it runs."""

from __future__ import annotations

import asyncio
import socket
import ssl
import warnings
from pathlib import Path

import pytest
from websockets.exceptions import InvalidMessage

from smartgrid.edge.ocpp.settings import Bounds
from smartgrid.edge.ports import ChargerId, ChargerSpec
from smartgrid.edge.registry.store import Registry
from smartgrid.http_server.tls import ServerTls
from support import certificates
from support.certificates import Certificate
from support.charger_sockets import SUBSTATION, Edge, is_alive, request, run, running, until

TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
WAIT_S = 20.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Certificate]:
    """`CP-1` and `expired` are of one authority, `new` of the one after it; all are for CP-1."""
    folder = tmp_path_factory.mktemp("certificates")
    server, authority, next_one = (certificates.make(folder, name) for name in ("server", "authority", "next"))
    return {
        "server": server,
        "authority": authority,
        "next": next_one,
        "CP-1": certificates.signed(authority, folder, "CP-1", "/CN=CP-1"),
        "expired": certificates.signed(authority, folder, "expired", "/CN=CP-1", days=0),
        "new": certificates.signed(next_one, folder, "new", "/CN=CP-1"),
    }


@pytest.fixture
def authorities(tmp_path: Path, made: dict[str, Certificate]) -> Path:
    """The file with those of chargers."""
    found = tmp_path / "authorities.crt"
    found.write_bytes(made["authority"].cert.read_bytes())
    return found


@pytest.fixture
def tls(made: dict[str, Certificate], authorities: Path) -> ServerTls:
    return ServerTls(made["server"].cert, made["server"].key, authorities)


def registry_of(folder: Path) -> Registry:
    registry = Registry(folder)
    registry.put(ChargerId(SUBSTATION, "CP-1"), ChargerSpec(security_profile=3))
    return registry


def context(made: dict[str, Certificate], client: str = "CP-1") -> ssl.SSLContext:
    found = ssl.create_default_context(cafile=str(made["server"].cert))
    found.load_cert_chain(made[client].cert, made[client].key)
    return found


def dialled(edge: Edge, of: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
    """A client as OpenSSL makes one, which does nothing by itself."""
    plain = socket.create_connection(("localhost", edge.listener.port), WAIT_S)
    return of.wrap_socket(plain, server_hostname="localhost", session=session)


def answer(client: ssl.SSLSocket, name: str = "CP-1") -> bytes:
    """The first line of what a charger of that name is told."""
    client.sendall(request(f"/ocpp/{SUBSTATION}/{name}"))
    return client.recv(16_384).partition(b"\r\n")[0]


def is_let_in_again(edge: Edge, of: ssl.SSLContext, session: ssl.SSLSession | None) -> bool:
    """With a session of before. A client of TLS 1.3 hears of a refusal after the handshake, or not at all."""
    try:
        with dialled(edge, of, session) as client:
            return b"101" in answer(client)
    except OSError:
        return False


@pytest.mark.parametrize(
    ("version", "is_let_in"), [("TLSv1", False), ("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)]
)
def test_tls_of_before_1_2_is_not_spoken(
    tmp_path: Path, tls: ServerTls, made: dict[str, Certificate], version: str, is_let_in: bool
) -> None:
    of = context(made)
    of.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        of.minimum_version = of.maximum_version = ssl.TLSVersion[version]

    async def story() -> None:
        async with running(tmp_path, registry=registry_of(tmp_path), tls=tls) as edge:
            if is_let_in:
                assert await edge.refused(ssl=of) == 101
            else:
                with pytest.raises((OSError, InvalidMessage)):
                    await edge.charger(ssl=of)
                await until(lambda: edge.listener.counters.refused["tls"] == 1)

    run(story)


def test_a_certificate_that_has_expired_proves_nothing(
    tmp_path: Path, tls: ServerTls, made: dict[str, Certificate]
) -> None:
    async def story() -> None:
        async with running(tmp_path, registry=registry_of(tmp_path), tls=tls) as edge:
            with pytest.raises((OSError, InvalidMessage)):
                await edge.charger(ssl=context(made, "expired"))
            assert edge.fleet.told == []

    run(story)


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_a_charger_that_resumes_its_session_is_known_by_its_certificate_still(
    tmp_path: Path, tls: ServerTls, made: dict[str, Certificate], version: ssl.TLSVersion
) -> None:
    of = context(made)
    of.minimum_version = of.maximum_version = version

    async def story() -> None:
        async with running(tmp_path, registry=registry_of(tmp_path), tls=tls) as edge:
            with await asyncio.to_thread(dialled, edge, of) as first:
                assert b"101" in await asyncio.to_thread(answer, first)
                session = first.session
            with await asyncio.to_thread(dialled, edge, of, session) as again:
                assert again.session_reused
                assert b"101" in await asyncio.to_thread(answer, again)

    run(story)


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_an_authority_that_was_replaced_lets_nobody_in_any_more_and_cuts_nobody_off(
    tmp_path: Path, tls: ServerTls, made: dict[str, Certificate], authorities: Path, version: ssl.TLSVersion
) -> None:
    of = context(made)
    of.minimum_version = of.maximum_version = version

    async def story() -> None:
        async with running(tmp_path, registry=registry_of(tmp_path), tls=tls) as edge:
            with await asyncio.to_thread(dialled, edge, of) as first:
                assert b"101" in await asyncio.to_thread(answer, first)
                session, before = first.session, tls.context
                authorities.write_bytes(made["next"].cert.read_bytes())
                await until(lambda: tls.context is not before)
                assert edge.link() is not None
                assert await asyncio.to_thread(is_let_in_again, edge, of, session) is False
                assert edge.link() is not None
            async with edge.charger(ssl=context(made, "new")) as charger:
                assert await is_alive(charger)

    run(story)


@pytest.mark.parametrize(
    "content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_of_authorities_that_is_broken_leaves_those_of_before(
    tmp_path: Path, tls: ServerTls, made: dict[str, Certificate], authorities: Path, content: bytes
) -> None:
    async def story() -> None:
        async with running(tmp_path, registry=registry_of(tmp_path), tls=tls) as edge:
            authorities.write_bytes(content)
            await until(lambda: tls._failed is not None)
            assert await edge.refused(ssl=context(made)) == 101
            authorities.unlink()
            await until(lambda: tls._failed == ())
            assert await edge.refused(ssl=context(made)) == 101

    run(story)


def test_who_is_refused_and_never_says_goodbye_keeps_no_socket(
    tmp_path: Path, tls: ServerTls, made: dict[str, Certificate]
) -> None:
    """TLS has both sides say that they end, and asyncio waits half a minute for it."""

    async def story() -> None:
        async with running(tmp_path, registry=registry_of(tmp_path), tls=tls, bounds=Bounds(close_s=0.3)) as edge:
            with await asyncio.to_thread(dialled, edge, context(made)) as client:
                assert b"404" in await asyncio.to_thread(answer, client, "CP-7")

                def end_of_tcp() -> None:
                    while socket.socket.recv(client, 16_384):
                        pass

                await asyncio.wait_for(asyncio.to_thread(end_of_tcp), WAIT_S)

    run(story)
