"""Security profiles on real sockets: keys, TLS, certificates, proxies in front."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from websockets.exceptions import InvalidMessage, InvalidStatus

from smartgrid.edge.ocpp import listener
from smartgrid.edge.ocpp.admission import Proof
from smartgrid.edge.ocpp.settings import Bounds, Proxies
from smartgrid.edge.ports import ChargerId, ChargerSpec
from smartgrid.edge.registry.keys import hash_key
from smartgrid.edge.registry.store import Registry
from smartgrid.http_server.client_address import networks
from smartgrid.http_server.tls import ServerTls
from support import certificates
from support.certificates import Certificate
from support.charger_sockets import KEY, LONGEST_S, SUBSTATION, Edge, basic, is_alive, run, running, until

OTHER_KEY = "another-Key-of-somebody"
IN_FRONT = Proxies(networks("127.0.0.0/8"), "ssl-client-subject-dn")
ENVOY = Proxies(networks("127.0.0.0/8"), "x-forwarded-client-cert")


def registered(folder: Path, profile: int, **more: str) -> Registry:
    """A registry that has CP-1 and CP-2 of this profile."""
    registry = Registry(folder)
    key_hash = hash_key(KEY) if profile in (1, 2) else ""
    for name in ("CP-1", "CP-2"):
        registry.put(ChargerId(SUBSTATION, name), ChargerSpec(security_profile=profile, key_hash=key_hash, **more))
    return registry


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Certificate]:
    folder = tmp_path_factory.mktemp("certificates")
    return {name: certificates.make(folder, name) for name in ("server", "CP-1", "CP-2", "stranger")}


@pytest.fixture
def tls(tmp_path: Path, made: dict[str, Certificate]) -> ServerTls:
    """Whose chargers' certificates are each their own authority; the stranger's is not among them."""
    authorities = tmp_path / "chargers.crt"
    authorities.write_bytes(made["CP-1"].cert.read_bytes() + made["CP-2"].cert.read_bytes())
    return ServerTls(made["server"].cert, made["server"].key, authorities)


def trusting(made: dict[str, Certificate], client: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(made["server"].cert))
    if client:
        context.load_cert_chain(made[client].cert, made[client].key)
    return context


# ---------------------------------------------------------------------- keys


def test_pitfall_24_an_unknown_charger_gets_404_and_a_wrong_key_401_with_a_challenge(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, registry=registered(tmp_path, 1)) as edge:
            assert await edge.refused("CP-9", additional_headers=basic("CP-9", KEY)) == 404
            for headers in ({}, basic("CP-1", OTHER_KEY), basic("CP-2", KEY)):
                with pytest.raises(InvalidStatus) as caught:
                    await edge.charger(additional_headers=headers)
                assert caught.value.response.status_code == 401
                assert caught.value.response.headers["WWW-Authenticate"].startswith('Basic realm="ocpp"')
            assert edge.fleet.told == []
            async with edge.charger(additional_headers=basic("CP-1", KEY)) as charger:
                assert await is_alive(charger)
            refused = edge.listener.counters.refused
            assert (refused["unknown"], refused["wrong_key"], refused["no_key"]) == (1, 1, 2)

    run(story)


def test_why_a_charger_is_not_let_in_is_in_its_diagnostics_and_in_the_log_but_not_without_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with running(tmp_path, registry=registered(tmp_path, 1)) as edge:
            for number in range(50):
                await edge.refused(f"stranger-{number}")
            await edge.refused("CP-1", additional_headers=basic("CP-1", OTHER_KEY))
            (found,) = edge.listener.diagnostics(ChargerId(SUBSTATION, "CP-1"))
            assert found["payload"] == "not let in from 127.0.0.1: This is not the charger's key."
            assert edge.listener.diagnostics(ChargerId(SUBSTATION, "stranger-1")) == []

    run(story)
    said = [record for record in caplog.records if record.message == "a charger was not let in"]
    assert len(said) == 2
    assert OTHER_KEY not in caplog.text


def test_pitfall_24_a_binary_key_is_a_key(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, registry=registered(tmp_path, 1)) as edge:
            assert await edge.refused(additional_headers=basic("CP-1", bytes.fromhex(KEY))) == 101
            assert await edge.refused(additional_headers=basic("CP-1", bytes.fromhex(KEY)[:-1] + b"\0")) == 401

    run(story)


def test_pitfall_24_two_authorizations_are_none(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, registry=registered(tmp_path, 1)) as edge:
            twice = [*basic("CP-1", KEY).items(), *basic("CP-1", OTHER_KEY).items()]
            assert await edge.refused(additional_headers=twice) == 401

    run(story)


def test_pitfall_24_a_rotated_key_counts_from_its_first_use_and_ends_the_old_one(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, registry=registered(tmp_path, 1)) as edge:
            charger = ChargerId(SUBSTATION, "CP-1")
            key = edge.registry.rotate_key(charger)
            assert await edge.refused(additional_headers=basic("CP-1", KEY)) == 101
            assert await edge.refused(additional_headers=basic("CP-1", bytes.fromhex(key))) == 101
            await until(lambda: (row := edge.registry.find(charger)) is not None and row.next_key_hash == "")
            assert await edge.refused(additional_headers=basic("CP-1", KEY)) == 401
            assert await edge.refused(additional_headers=basic("CP-1", key)) == 101

    run(story)


def test_however_many_wrong_keys_were_tried_of_an_address_or_a_charger_the_right_one_gets_in(tmp_path: Path) -> None:
    """Behind a proxy all have one address, and a stranger may try for any charger."""

    async def story() -> None:
        async with running(tmp_path, registry=registered(tmp_path, 1)) as edge:
            for name in ("CP-1", "CP-2") * 110:
                assert await edge.refused(name, additional_headers=basic(name, OTHER_KEY)) == 401
            for name in ("CP-1", "CP-2"):
                assert await edge.refused(name, additional_headers=basic(name, KEY)) == 101
            assert edge.listener.counters.refused["wrong_key"] == 220

    run(story)


# ---------------------------------------------------------------------- TLS of our own


def test_pitfall_24_profile_2_comes_over_our_own_tls(
    tmp_path: Path, tls: ServerTls, made: dict[str, Certificate]
) -> None:
    async def story() -> None:
        async with running(tmp_path, registry=registered(tmp_path, 2), tls=tls) as edge:
            with_key = basic("CP-1", KEY)
            async with edge.charger(ssl=trusting(made), additional_headers=with_key) as charger:
                assert await is_alive(charger)
            assert await edge.refused(ssl=trusting(made)) == 401

    run(story)


def test_pitfall_24_profile_2_is_not_let_in_without_tls(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, registry=registered(tmp_path, 2)) as edge:
            told = basic("CP-1", KEY) | {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
            assert await edge.refused(additional_headers=told) == 403
            assert edge.listener.counters.refused["plain"] == 1

    run(story)


def test_pitfall_24_profile_3_is_proved_by_a_certificate_with_the_charger_s_name(
    tmp_path: Path, tls: ServerTls, made: dict[str, Certificate]
) -> None:
    async def story() -> None:
        async with running(tmp_path, registry=registered(tmp_path, 3), tls=tls) as edge:
            async with edge.charger(ssl=trusting(made, "CP-1")) as charger:
                assert await is_alive(charger)
            assert await edge.refused(ssl=trusting(made, "CP-2")) == 403
            assert await edge.refused(ssl=trusting(made)) == 403
            assert await edge.refused("CP-2", ssl=trusting(made, "CP-2")) == 101
            with pytest.raises((OSError, InvalidMessage)):
                await edge.charger(ssl=trusting(made, "stranger"))

    run(story)


def test_pitfall_24_a_certificate_is_not_believed_from_a_header_that_nobody_trusted_sent(tmp_path: Path) -> None:
    async def story() -> None:
        proxies = Proxies(networks("192.0.2.0/24"), "ssl-client-subject-dn")
        async with running(tmp_path, registry=registered(tmp_path, 3), proxies=proxies) as edge:
            told = {"X-Forwarded-Proto": "https", "ssl-client-subject-dn": "CN=CP-1", "ssl-client-verify": "SUCCESS"}
            assert await edge.refused(additional_headers=told) == 403

    run(story)


def test_what_is_no_tls_is_ended_and_disturbs_nobody(
    tmp_path: Path, tls: ServerTls, made: dict[str, Certificate]
) -> None:
    async def story() -> None:
        async with running(tmp_path, tls=tls) as edge:
            reader, writer = await edge.raw()
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await reader.read()
            writer.close()
            await until(lambda: edge.listener.counters.refused["tls"] == 1)
            async with edge.charger(ssl=trusting(made)) as charger:
                assert await is_alive(charger)

    run(story)


def test_a_tls_handshake_that_does_not_end_is_cut_off(tmp_path: Path, tls: ServerTls) -> None:
    async def story() -> None:
        async with running(tmp_path, tls=tls, bounds=Bounds(handshake_s=0.3)) as edge:
            reader, writer = await edge.raw()
            assert await reader.read() == b""
            writer.close()
            await until(lambda: not edge.listener._handshakes and not edge.listener._tasks)

    run(story)


def test_tls_that_is_never_begun_keeps_no_charger_out(
    tmp_path: Path, tls: ServerTls, made: dict[str, Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "GRACE_S", 0.1)

    async def story() -> None:
        async with running(tmp_path, tls=tls, bounds=Bounds(max_handshakes=5)) as edge, AsyncExitStack() as stack:
            for sent in (b"", b"\x16") * 20:
                _, writer = await edge.raw()
                stack.callback(writer.close)
                writer.write(sent)
            async with edge.charger(ssl=trusting(made)) as charger:
                assert await is_alive(charger)
                await until(lambda: len(edge.listener._handshakes) == len(edge.listener._tasks) <= 5)
            assert edge.listener.counters.refused["storm"] >= 30
            assert edge.listener.counters.refused["tls"] == 0

    run(story)


def test_a_certificate_that_is_replaced_is_that_of_the_next_connection(
    tmp_path: Path, made: dict[str, Certificate]
) -> None:
    async def story() -> None:
        files = Certificate(tmp_path / "tls.crt", tmp_path / "tls.key")
        certificates.replace(files, made["server"])
        async with (
            running(tmp_path, tls=ServerTls(files.cert, files.key)) as edge,
            edge.charger("old", ssl=trusting(made)) as old,
        ):
            certificates.replace(files, made["stranger"])
            await until_served(edge, ssl.create_default_context(cafile=str(made["stranger"].cert)))
            assert await is_alive(old)

    run(story)


async def until_served(edge: Edge, context: ssl.SSLContext) -> None:
    end_s = time.monotonic() + LONGEST_S
    while True:
        try:
            async with edge.charger("new", ssl=context):
                return
        except OSError:
            assert time.monotonic() < end_s, "the new certificate was not taken"
            await asyncio.sleep(0.05)


# ---------------------------------------------------------------------- proxies in front


def test_pitfall_24_tls_may_have_ended_at_a_trusted_proxy_that_says_so(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, registry=registered(tmp_path, 2), proxies=IN_FRONT) as edge:
            key = basic("CP-1", KEY)
            assert await edge.refused(additional_headers=key | {"X-Forwarded-Proto": "https"}) == 101
            assert await edge.refused(additional_headers=key | {"X-Forwarded-Proto": "http"}) == 403
            assert await edge.refused(additional_headers=key) == 403
            twice = [*key.items(), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")]
            assert await edge.refused(additional_headers=twice) == 403

    run(story)


@pytest.mark.parametrize(
    ("proxies", "headers"),
    [
        (IN_FRONT, {"ssl-client-subject-dn": "CN=CP-1,O=Op", "ssl-client-verify": "SUCCESS"}),
        (ENVOY, {"x-forwarded-client-cert": 'Hash=1;Subject="CN=CP-1,O=Op"'}),
    ],
)
def test_pitfall_24_the_certificate_may_be_told_by_a_trusted_proxy(
    tmp_path: Path, proxies: Proxies, headers: dict[str, str]
) -> None:
    async def story() -> None:
        async with running(tmp_path, registry=registered(tmp_path, 3), proxies=proxies) as edge:
            over_tls = headers | {"X-Forwarded-Proto": "https"}
            assert await edge.refused(additional_headers=over_tls) == 101
            assert await edge.refused("CP-2", additional_headers=over_tls) == 403
            assert await edge.refused(additional_headers=headers) == 403

    run(story)


def test_pitfall_24_a_certificate_that_the_proxy_could_not_verify_proves_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, registry=registered(tmp_path, 3), proxies=IN_FRONT) as edge:
            headers = {"ssl-client-subject-dn": "CN=CP-1", "ssl-client-verify": "FAILED:self-signed certificate"}
            assert await edge.refused(additional_headers=headers | {"X-Forwarded-Proto": "https"}) == 403

    run(story)


def test_pitfall_24_behind_a_proxy_a_certificate_of_our_own_tls_is_the_proxy_s_and_no_charger_s(
    tmp_path: Path, tls: ServerTls, made: dict[str, Certificate]
) -> None:
    async def story() -> None:
        async with running(tmp_path, registry=registered(tmp_path, 3), tls=tls, proxies=IN_FRONT) as edge:
            assert await edge.refused(ssl=trusting(made, "CP-1")) == 403

    run(story)


# ---------------------------------------------------------------------- registrations, and other edges


def test_an_open_edge_lets_anybody_in_at_a_substation_that_it_knows_but_not_past_a_registration(tmp_path: Path) -> None:
    async def story() -> None:
        registry = Registry(tmp_path, is_open=True)
        registry.put(ChargerId(SUBSTATION, "CP-1"), ChargerSpec(security_profile=1, key_hash=hash_key(KEY)))
        async with running(tmp_path, registry=registry) as edge:
            assert await edge.refused("anybody") == 101
            assert await edge.refused("CP-1") == 401
            assert await edge.refused("CP-1", additional_headers=basic("CP-1", KEY)) == 101
            await until(lambda: registry.count() == 2)

    run(story)


def test_who_is_registered_is_let_in_while_its_substation_is_not_known_yet(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, registry=registered(tmp_path, 0), knows=lambda name: False) as edge:
            assert await edge.refused("CP-1") == 101

    run(story)


def test_a_registry_that_cannot_be_read_is_our_trouble_and_the_charger_comes_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, registry=registered(tmp_path, 0)) as edge:
            edge.registry._reader.execute("PRAGMA query_only = OFF")
            with edge.registry._write_lock:
                edge.registry._writer.execute("ALTER TABLE chargers RENAME TO gone")
                edge.registry._writer.commit()
            assert await edge.refused("CP-1") == 503
            assert edge.listener.counters.refused["registry"] == 1

    run(story)


def test_another_edge_s_charger_is_passed_on_before_it_proves_anything(tmp_path: Path) -> None:
    async def story() -> None:
        seen: list[tuple[ChargerId, bytes]] = []

        def pass_on(arrival: object) -> bool:
            seen.append((arrival.charger, arrival.head))  # type: ignore[attr-defined]
            arrival.transport.write(b"HTTP/1.1 503 Elsewhere\r\n\r\n")  # type: ignore[attr-defined]
            arrival.transport.close()  # type: ignore[attr-defined]
            return True

        async with running(tmp_path, registry=registered(tmp_path, 1), pass_on=pass_on) as edge:
            assert await edge.refused("CP-7") == 503
            ((charger, head),) = seen
            assert charger == (SUBSTATION, "CP-7")
            assert head.startswith(f"GET /ocpp/{SUBSTATION}/CP-7 HTTP/1.1\r\n".encode())
            assert head.endswith(b"\r\n\r\n")
            assert not edge.listener._handshakes
            assert sum(edge.listener.counters.refused.values()) == 0

    run(story)


def test_what_another_edge_vouches_for_counts_in_place_of_what_is_seen_here(tmp_path: Path) -> None:
    async def story() -> None:
        vouched = Proof("192.0.2.1", is_encrypted=True, certificate_name="CP-1")
        async with running(tmp_path, registry=registered(tmp_path, 3), vouched=lambda arrival: vouched) as edge:
            assert await edge.refused("CP-1") == 101
            assert await edge.refused("CP-2") == 403

    run(story)
