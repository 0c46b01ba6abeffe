"""What a service may be told to connect to, checked before it is."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

LABEL = re.compile(r"[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?")


def check_url(url: str) -> str:
    """The URL in its plain form. Raises ValueError that says what a substation's URL looks like."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise ValueError(f"is no URL ({error})") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("must be a URL such as http://127.0.0.1:8082")
    if not is_host(host):
        raise ValueError(f"has a host that is neither an address nor a name ({host})")
    if parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be only scheme, host and port, such as http://127.0.0.1:8082")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else "")


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is; None for a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def is_host(host: str) -> bool:
    """Whether it is an address, or a name that DNS could know."""
    labels = host.removesuffix(".").split(".")
    return address_of(host) is not None or all(LABEL.fullmatch(label) for label in labels)
