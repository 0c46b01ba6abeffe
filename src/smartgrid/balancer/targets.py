"""Which addresses the balancer may be told to connect to."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from smartgrid.http_client.urls import address_of, is_host

NONE = "none"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class AllowedTargets:
    """Hosts by name (`substation.example`), by suffix (`*.grid.svc`), or by network (`10.0.0.0/8`).

    A name that is not listed is refused even if it resolves into an allowed network: what it resolves to later is its
    owner's choice.
    """

    hosts: frozenset[str]
    suffixes: tuple[str, ...]
    networks: tuple[Network, ...]

    def allows(self, url: str) -> bool:
        """Whether a checked URL's host is within them."""
        host = (urlsplit(url).hostname or "").lower()
        address = address_of(host)
        if address is not None:
            return any(address in network for network in self.networks)
        return host in self.hosts or host.endswith(self.suffixes)


def parse(text: str) -> AllowedTargets:
    """Read a comma separated list, or `none`. Raises ValueError naming the item that is none of the three."""
    if text.strip().lower() == NONE:
        return AllowedTargets(frozenset(), (), ())
    items = [item.strip().lower() for item in text.split(",") if item.strip()]
    networks = [network for item in items if (network := _network(item)) is not None]
    names = [item for item in items if _network(item) is None]
    wrong = [name for name in names if not is_host(name.removeprefix("*."))]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no host name, *.suffix or network")
    suffixes = tuple(name[1:] for name in names if name.startswith("*."))
    return AllowedTargets(frozenset(n for n in names if "*" not in n), suffixes, tuple(networks))


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
