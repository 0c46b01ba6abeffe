"""A charger that arrives over TLS at another edge is let in by its own, if the edges share a secret: by real
processes, behind a proxy that ends TLS."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from edge.sharding.test_more_edges import Edge
from smartgrid.edge.ports import ChargerId
from smartgrid.edge.sharding.facts import HEADER, Facts, say
from smartgrid.edge.sharding.rendezvous import owner
from support.ports import free_port
from support.processes import running, wait_until

KEY = "0123456789abcdef"
SUBSTATION = next(f"s{n}" for n in range(20) if owner(f"s{n}", ["edge-1", "edge-2"]) == "edge-2")
SECURE = {"X-Forwarded-Proto": "https"}
"""As the proxy says it, from whose network all of this test is."""


@contextmanager
def two_edges(folder: Path, secret: bytes | None) -> Iterator[tuple[Edge, Edge]]:
    """The charger CP1 is registered, with profile 2: its key, and only over TLS. It is edge-2's."""
    ports = free_port(), free_port()
    nobody = f"{SUBSTATION}=http://127.0.0.1:1"
    edges = Edge(folder, 1, *ports, nobody), Edge(folder, 2, *ports, nobody)
    for edge in edges:
        edge.settings.update(registration="closed", trusted_proxies="127.0.0.0/8")
        if secret is not None:
            (edge.folder / "secret").write_bytes(secret)
            edge.settings["peer_secret_file"] = edge.folder / "secret"
    with running(*edges):
        body = {"security_profile": 2, "key": KEY}
        assert edges[1].call("PUT", f"/chargers/{SUBSTATION}/CP1", json=body).status in (200, 201)
        for edge in edges:
            wait_until(lambda e=edge: owner_at(e) == "edge-2", 60, "the edges know each other")  # type: ignore[misc]
        yield edges


def owner_at(edge: Edge) -> str:
    """Whose the charger is, as an edge sees it."""
    return str(edge.call("GET", f"/chargers/{SUBSTATION}/CP1").json().get("edge"))


def status_of(edge: Edge, headers: dict[str, str], key: str = KEY) -> int:
    """What a charger is answered that connects there; 101 if it is let in."""
    proof = {"Authorization": "Basic " + base64.b64encode(f"CP1:{key}".encode()).decode()}
    try:
        with connect(
            f"{edge.ocpp_url}/{SUBSTATION}/CP1",
            subprotocols=[Subprotocol("ocpp1.6")],
            additional_headers=proof | headers,
            open_timeout=20,
        ):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


@pytest.fixture(scope="module")
def sharing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Edge, Edge]]:
    with two_edges(tmp_path_factory.mktemp("sharing"), b"s" * 32) as found:
        yield found


def test_what_an_edge_has_seen_counts_at_the_owner(sharing: tuple[Edge, Edge]) -> None:
    assert status_of(sharing[0], SECURE) == 101
    assert status_of(sharing[0], SECURE, key="another-key-1234") == 401


def test_a_charger_without_tls_is_refused_wherever_it_arrives(sharing: tuple[Edge, Edge]) -> None:
    assert status_of(sharing[0], {}) not in (101, 503)
    assert status_of(sharing[1], {}) not in (101, 503)


def test_a_word_that_is_forged_counts_for_nothing(sharing: tuple[Edge, Edge]) -> None:
    charger = ChargerId(SUBSTATION, "CP1")
    forged = say("edge-1", "edge-2", charger, Facts(is_encrypted=True), b"x" * 32, time.time())

    assert status_of(sharing[1], {HEADER: forged}) not in (101, 503)
    wait_until(lambda: "is not believed" in sharing[1].log(), 30, "the owner says so")
    assert status_of(sharing[1], {HEADER: "edge-1"}) not in (101, 503)
    assert status_of(sharing[0], {HEADER: forged}) != 101


def test_without_a_secret_nobodys_word_counts(tmp_path: Path) -> None:
    with two_edges(tmp_path, None) as (arrives_at, owned_by):
        assert status_of(owned_by, SECURE) == 101
        assert status_of(arrives_at, SECURE) not in (101, 503)
