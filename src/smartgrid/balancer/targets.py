"""Which addresses the balancer may be told to connect to."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

LABEL = re.compile(r"[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?")
NONE = "none"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def check_url(url: str) -> str:
    """The URL in its plain form. Raises ValueError that says what a substation's URL looks like."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise ValueError(f"is no URL ({error})") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("must be a URL such as http://127.0.0.1:8082")
    if not _is_host(host):
        raise ValueError(f"has a host that is neither an address nor a name ({host})")
    if parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be only scheme, host and port, such as http://127.0.0.1:8082")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else "")


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
        address = _address(host)
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
    wrong = [name for name in names if not _is_host(name.removeprefix("*."))]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no host name, *.suffix or network")
    suffixes = tuple(name[1:] for name in names if name.startswith("*."))
    return AllowedTargets(frozenset(n for n in names if "*" not in n), suffixes, tuple(networks))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_host(host: str) -> bool:
    """Whether it is an address, or a name that DNS could know."""
    labels = host.removesuffix(".").split(".")
    return _address(host) is not None or all(LABEL.fullmatch(label) for label in labels)


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
