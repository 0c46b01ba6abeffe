"""Whose address a request comes from, also behind proxies. Pure.

Each proxy appends the address that it got the request from to `X-Forwarded-For`, and passes on what stood there before,
which the client may have made up. So the header is read from its right end: as far as the addresses are those of
proxies that are trusted, each says truly who came before it. The first that is none is the client's.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
MAX_NETWORKS = 100
MAX_HOPS = 16
IPV6_PREFIX = 64
"""What one subscriber is given at the least: whoever has one address of it has all."""
_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?|([0-9.]{7,15}):[0-9]{1,5}")


def networks(text: str) -> tuple[Network, ...]:
    """Networks and addresses, separated by commas. Raises ValueError."""
    found = tuple(ipaddress.ip_network(each.strip()) for each in text.split(",") if each.strip())
    if len(found) > MAX_NETWORKS:
        raise ValueError(f"at most {MAX_NETWORKS} networks")
    return found


def is_trusted(peer: str, trusted: tuple[Network, ...]) -> bool:
    """Whether this address is in one of the networks."""
    address = _parsed(peer) if trusted else None
    return address is not None and any(address in network for network in trusted)


def client_address(peer: str, forwarded: str | None, trusted: tuple[Network, ...]) -> str:
    """The client's address, given that of who opened the connection; of IPv6 its network."""
    if not trusted or not forwarded:
        return _shown(peer)
    client = _parsed(peer)
    if client is None:
        return peer
    for hop in reversed(forwarded.split(",")[-MAX_HOPS:]):
        if not any(client in network for network in trusted):
            break
        before = _parsed(hop.strip())
        if before is None:  # the proxy says something that is no address: it is as far as we can see
            break
        client = before
    return _named(client)


@lru_cache(4096)
def _shown(text: str) -> str:
    address = _parsed(text)
    return text if address is None else _named(address)


def _named(address: Address) -> str:
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))


@lru_cache(4096)
def _parsed(text: str) -> Address | None:
    with_port = _WITH_PORT.fullmatch(text) if len(text) <= 64 else None
    try:
        address = ipaddress.ip_address(with_port[1] or with_port[2] if with_port else text[:64])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
