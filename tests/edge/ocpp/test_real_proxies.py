"""Chargers of security profiles 2 and 3 behind a real nginx and a real haproxy, which end TLS for the edge."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from smartgrid.edge.ocpp.settings import Bounds, Proxies
from smartgrid.edge.ports import ChargerId, ChargerSpec
from smartgrid.edge.registry.keys import hash_key
from smartgrid.edge.registry.store import Registry
from smartgrid.http_server.client_address import networks
from support import certificates
from support.certificates import Certificate
from support.charger_sockets import KEY, SUBSTATION, Edge, basic, heard, is_alive, run, running, say, until
from support.tls_proxies import HEADERS, TlsProxy, program

NETWORK = networks("127.0.0.0/8")
REFUSED_BY_PROXY = {"nginx": 400, "haproxy": 403, "haproxy-ingress": 403}
"""What is answered to a certificate that nobody trusted has signed."""
SUBJECTS = {
    "plain": "/CN=CP-1",
    "whole": "/C=SE/O=Operator/OU=Garage/CN=CP-1/serialNumber=7",
    "other": "/CN=CP-2",
    "comma": "/CN=a,b",
    "plus": "/CN=a\\+b=c",
    "umlaut": "/CN=Größe 1",
    "hash": "/CN=#1;<2>",
    "in-organisation": "/O=x,CN=CP-1",
    "in-organisation-too": "/O=x\\/CN=CP-1",
    "as-a-part": "/O=x\\+CN=CP-1",
    "hexadecimal": "/CN=CP\\\\2D1",
    "quoted": '/CN="CP-1"',
    "long": "/CN=" + 64 * "x",
    "nobody": "/O=Operator",
}


@dataclass
class Way:
    """To an edge, through a proxy."""

    edge: Edge
    proxy: TlsProxy
    made: dict[str, Certificate]

    def charger(self, name: str = "CP-1", certificate: str = "", *, tls: bool = True, **options: Any) -> connect:
        """To be entered, or awaited."""
        options.setdefault("subprotocols", ["ocpp1.6"])
        scheme, port = ("wss", self.proxy.tls_port) if tls else ("ws", self.proxy.port)
        if tls:
            options["ssl"] = context = ssl.create_default_context(cafile=str(self.made["server"].cert))
            if certificate:
                context.load_cert_chain(self.made[certificate].cert, self.made[certificate].key)
        url = f"{scheme}://localhost:{port}/ocpp/{SUBSTATION}/{name}"
        return connect(url, host="127.0.0.1", proxy=None, compression=None, **options)

    async def status(self, name: str = "CP-1", certificate: str = "", **options: Any) -> int:
        """The answer; 101 if it is let in, 0 if there is none."""
        try:
            async with self.charger(name, certificate, **options):
                return 101
        except InvalidStatus as refusal:
            return refusal.response.status_code
        except (OSError, InvalidMessage):
            return 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Certificate]:
    folder = tmp_path_factory.mktemp("certificates")
    server, authority, foreign = (certificates.make(folder, name) for name in ("server", "authority", "foreign"))
    found = {name: certificates.signed(authority, folder, name, subject) for name, subject in SUBJECTS.items()}
    found["two-names"] = certificates.signed(authority, folder, "two-names", "/CN=CP-2/CN=CP-1")
    found["expired"] = certificates.signed(authority, folder, "expired", "/CN=CP-1", days=0)
    found["foreign"] = certificates.signed(foreign, folder, "of-foreign", "/CN=CP-1")
    return {**found, "server": server, "authority": authority}


@pytest.fixture(params=list(HEADERS))
def kind(request: pytest.FixtureRequest) -> str:
    program(request.param)
    return str(request.param)


@asynccontextmanager
async def behind(
    kind: str, folder: Path, made: dict[str, Certificate], spec: ChargerSpec, idle_s: int = 3600, **options: Any
) -> AsyncIterator[Way]:
    """An edge behind it, at which CP-1 is registered so."""
    registry = Registry(folder)
    registry.put(ChargerId(SUBSTATION, "CP-1"), spec)
    proxies = Proxies(NETWORK, HEADERS[kind])
    async with running(folder, registry=registry, proxies=proxies, **options) as edge:
        server, authorities = made["server"], made["authority"].cert
        with TlsProxy(kind, folder / kind, edge.listener.port, server, authorities, idle_s) as proxy:
            yield Way(edge, proxy, made)


BY_KEY = ChargerSpec(security_profile=2, key_hash=hash_key(KEY))
BY_CERTIFICATE = ChargerSpec(security_profile=3)


def by_certificate(subject: str) -> ChargerSpec:
    return ChargerSpec(security_profile=3, certificate_subject=subject)


# ---------------------------------------------------------------------- who is let in


def test_profile_2_needs_its_key_and_tls_to_the_proxy(kind: str, tmp_path: Path, made: dict[str, Certificate]) -> None:
    async def story() -> None:
        async with behind(kind, tmp_path, made, BY_KEY) as way:
            with_key: dict[str, Any] = {"additional_headers": basic("CP-1", KEY)}
            assert await way.status(**with_key) == 101
            assert await way.status(additional_headers=basic("CP-1", bytes.fromhex(KEY))) == 101
            assert await way.status(**with_key, tls=False) == 403
            assert await way.status("CP-7", **with_key) == 404
            with pytest.raises(InvalidStatus) as caught:
                await way.charger(additional_headers=basic("CP-1", KEY[::-1]))
            assert caught.value.response.status_code == 401
            assert caught.value.response.headers["WWW-Authenticate"].startswith('Basic realm="ocpp"')

    run(story)


def test_profile_3_needs_a_certificate_with_its_name_of_the_right_authority(
    kind: str, tmp_path: Path, made: dict[str, Certificate]
) -> None:
    async def story() -> None:
        async with behind(kind, tmp_path, made, BY_CERTIFICATE) as way:
            assert await way.status(certificate="plain") == 101
            assert await way.status(certificate="whole") == 101
            assert await way.status(certificate="other") == 403
            assert await way.status() == 403
            assert await way.status(tls=False) == 403
            for bad in ("foreign", "expired"):
                assert await way.status(certificate=bad) in (0, REFUSED_BY_PROXY[kind])

    run(story)


@pytest.mark.parametrize(
    ("certificate", "name"),
    [("comma", "a,b"), ("plus", "a+b=c"), ("umlaut", "Größe 1"), ("hash", "#1;<2>"), ("long", 64 * "x")],
)
def test_a_name_may_have_any_characters(
    kind: str, tmp_path: Path, made: dict[str, Certificate], certificate: str, name: str
) -> None:
    async def story() -> None:
        async with behind(kind, tmp_path, made, by_certificate(name)) as way:
            assert await way.status(certificate=certificate) == 101

    run(story)


def test_no_other_subject_passes_for_a_charger_s(kind: str, tmp_path: Path, made: dict[str, Certificate]) -> None:
    """Of two names haproxy-ingress tells the first, so here it is the other one."""

    async def story() -> None:
        async with behind(kind, tmp_path, made, BY_CERTIFICATE) as way:
            odd = (
                "in-organisation",
                "in-organisation-too",
                "as-a-part",
                "hexadecimal",
                "quoted",
                "nobody",
                "two-names",
            )
            for certificate in odd:
                assert await way.status(certificate=certificate) == 403, certificate

    run(story)


def test_what_a_charger_writes_of_itself_is_not_believed(
    kind: str, tmp_path: Path, made: dict[str, Certificate]
) -> None:
    forged = [
        ("ssl-client-subject-dn", "CN=CP-1"),
        ("SSL_CLIENT_SUBJECT_DN", "CN=CP-1"),
        ("ssl-client-verify", "SUCCESS"),
        ("X-SSL-Client-CN", "CP-1"),
        ("X_SSL_Client_CN", "CP-1"),
        ("X-SSL-Client-Subject", "CN=CP-1"),
        ("X-Forwarded-Client-Cert", 'Subject="CN=CP-1"'),
        ("X-Forwarded-Proto", "https"),
        ("X_Forwarded_Proto", "https"),
        ("X-Forwarded-For", "10.0.0.1, 127.0.0.1"),
        ("Forwarded", "proto=https"),
        ("Connection", "X-Forwarded-Proto, ssl-client-verify, X-SSL-Client-CN"),
    ]

    async def story() -> None:
        async with behind(kind, tmp_path, made, BY_CERTIFICATE) as way:
            for tls, certificate in ((True, "other"), (True, "nobody"), (True, ""), (False, "")):
                assert await way.status(certificate=certificate, tls=tls, additional_headers=forged) in (400, 403)
            assert way.edge.fleet.told == []

    run(story)


# ---------------------------------------------------------------------- what passes


def test_the_charger_s_order_of_versions_its_name_and_its_closes_pass(
    kind: str, tmp_path: Path, made: dict[str, Certificate]
) -> None:
    async def story() -> None:
        async with behind(kind, tmp_path, made, BY_KEY) as way:
            odd = ChargerId(SUBSTATION, "é 1%2F+?#;'")
            way.edge.registry.put(odd, ChargerSpec(security_profile=0))
            offered = ["ocpp9", "ocpp2.0.1", "ocpp1.6"]
            path = "%C3%A9%201%252F+%3F%23;'"
            async with way.charger(path, subprotocols=offered) as charger:
                assert charger.subprotocol == "ocpp2.0.1"
                assert await is_alive(charger)
                assert way.edge.listener.link_of(odd) is not None
                await charger.close(4000, "mine")
            await until(lambda: way.edge.listener.link_of(odd) is None)
            async with way.charger(path, subprotocols=["ocpp9"]) as charger:
                assert (charger.subprotocol, await closed(charger)) == (None, 1002)

    run(story)


def test_long_messages_pass_both_ways_and_too_long_ones_end_the_connection(
    kind: str, tmp_path: Path, made: dict[str, Certificate]
) -> None:
    async def story() -> None:
        bounds, long = Bounds(max_message_bytes=65_536), {"vendorId": "v", "data": 60_000 * "x"}
        async with (
            behind(kind, tmp_path, made, BY_CERTIFICATE, bounds=bounds) as way,
            way.charger(certificate="plain") as charger,
        ):
            await say(charger, 2, "long", "DataTransfer", long)
            await charger.send(parts(long))
            await until(lambda: len(way.edge.fleet.called_with) == 2)
            assert all(payload == long for _, _, payload in way.edge.fleet.called_with)
            way.edge.fleet.links[-1].call("DataTransfer", long, way.edge.answers.append)
            asked = await heard(charger)
            assert asked[3] == long
            await say(charger, 3, asked[1], {"status": "Accepted"})
            await until(lambda: len(way.edge.answers) == 1)
            await charger.send(70_000 * "x")
            assert await closed(charger) in (1009, None)  # the reset of what the edge did not read may overtake it
            assert way.edge.listener.counters.closed["protocol_error"] == 1

    run(story)


def parts(payload: dict[str, str]) -> list[str]:
    """A message in fragments of 1,000 characters."""
    text = json.dumps([2, "parts", "DataTransfer", payload])
    return [text[at : at + 1000] for at in range(0, len(text), 1000)]


async def closed(charger: ClientConnection) -> int | None:
    """The code with which the edge closes it."""
    with suppress(ConnectionClosed):
        while True:
            await charger.recv()
    return charger.protocol.close_rcvd and charger.protocol.close_rcvd.code


# ---------------------------------------------------------------------- how long it lasts


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
def test_pings_keep_a_quiet_charger_connected_past_the_proxy_s_time_limit(
    kind: str, tmp_path: Path, made: dict[str, Certificate]
) -> None:
    program(kind)

    async def story() -> None:
        async with (
            behind(kind, tmp_path, made, BY_CERTIFICATE, idle_s=6, bounds=Bounds(ping_s=0.1)) as way,
            way.charger(certificate="plain", ping_interval=None) as charger,
        ):
            await asyncio.sleep(7)
            assert await is_alive(charger)

    run(story)


def test_a_quiet_charger_that_its_proxy_cuts_off_is_known_to_be_gone(
    kind: str, tmp_path: Path, made: dict[str, Certificate]
) -> None:
    async def story() -> None:
        async with behind(kind, tmp_path, made, BY_CERTIFICATE, idle_s=1) as way:
            async with way.charger(certificate="plain", ping_interval=None) as charger:
                assert await closed(charger) is None
            await until(lambda: way.edge.fleet.told == [("connected", "CP-1"), ("disconnected", "CP-1")])

    run(story)


def test_a_reload_of_the_proxy_cuts_the_charger_off_and_it_comes_again(
    kind: str, tmp_path: Path, made: dict[str, Certificate]
) -> None:
    async def story() -> None:
        async with behind(kind, tmp_path, made, BY_CERTIFICATE) as way:
            async with way.charger(certificate="plain") as charger:
                assert await is_alive(charger)
                await asyncio.to_thread(way.proxy.reload)
                await closed(charger)
            await until(lambda: ("disconnected", "CP-1") in way.edge.fleet.told)
            async with way.charger(certificate="plain") as charger:
                assert await is_alive(charger)
            assert await way.status(certificate="other") == 403

    run(story)
