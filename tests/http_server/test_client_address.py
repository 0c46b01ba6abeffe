"""Whose address a request comes from."""

from __future__ import annotations

import pytest

from smartgrid.http_server.client_address import client_address, is_trusted, networks

PROXIES = networks("10.0.0.0/8, fd00::/8")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", "198.51.100.7", "203.0.113.9"),  # who is no proxy is not believed
        ("10.1.1.1", "198.51.100.7", "198.51.100.7"),
        ("10.1.1.1", "1.1.1.1, 198.51.100.7", "198.51.100.7"),  # what the client made up stands further left
        ("10.1.1.1", "1.1.1.1, 198.51.100.7, 10.2.2.2", "198.51.100.7"),
        ("10.1.1.1", "10.3.3.3, 10.2.2.2", "10.3.3.3"),
        ("10.1.1.1", "198.51.100.7:4711", "198.51.100.7"),
        ("10.1.1.1", "unknown", "10.1.1.1"),
        ("10.1.1.1", "198.51.100.7, nonsense", "10.1.1.1"),
        ("10.1.1.1", "", "10.1.1.1"),
        ("10.1.1.1", ", " * 10_000, "10.1.1.1"),
        ("::ffff:10.1.1.1", "198.51.100.7", "198.51.100.7"),
        ("fd00::1", "[2001:db8:1:2:3::4]:443", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", None, "2001:db8:1:2::/64"),  # one subscriber has a whole network
        ("not an address", "198.51.100.7", "not an address"),
    ],
)
def test_the_rightmost_address_that_is_no_trusted_proxy_is_the_clients(peer, forwarded, client):
    assert client_address(peer, forwarded, PROXIES) == client


@pytest.mark.parametrize(
    ("peer", "is_one"), [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("192.0.2.1", False), ("", False), ("x", False)]
)
def test_who_is_a_trusted_proxy(peer, is_one):
    assert is_trusted(peer, networks("10.0.0.0/8")) is is_one
    assert not is_trusted(peer, ())


def test_without_trusted_proxies_nobody_is_believed():
    assert client_address("10.1.1.1", "198.51.100.7", ()) == "10.1.1.1"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy.example.com", "10.0.0.0/8;fd00::/8"])
def test_what_is_no_network_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        networks(text)
