"""The bounds within which chargers are believed and served. Times are in seconds."""

from __future__ import annotations

from dataclasses import dataclass

from smartgrid.http_server.client_address import Network


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one listener; the defaults are those of the edge's settings."""

    max_connections: int = 12_000
    max_handshakes: int = 12_000
    """Connections whose request is under way; where more come, the slowest make room."""
    handshake_s: float = 10.0
    """From a connection's beginning to the end of its request, TLS included."""
    max_message_bytes: int = 65_536
    message_s: float = 120.0
    """From a message's first byte to its last: the longest comes in it at 5 kbit/s. Else parts would be kept."""
    messages_per_s: float = 10.0
    burst: int = 100
    """Messages of one charger: after as many at once it is read no faster than the rate."""
    excess_s: float = 300.0
    """Who never falls below the rate for so long is sent away, unless it waits for its answers."""
    max_unsent_bytes: int = 262_144
    """Who does not read what it is sent is cut off beyond it."""
    ping_s: float = 40.0
    """A charger that has been silent so long is pinged: before proxies take the connection for dead, which nginx does
    after 60 s if it is not told otherwise, and haproxy, as Debian has it, after 50."""
    silence_s: float = 900.0
    """Who has been silent for so long is gone. At least three heartbeats: some chargers never answer a ping."""
    pong_silence_s: float = 240.0
    """The same for one that has answered a ping on this connection, and so will again."""
    close_s: float = 5.0
    """How long we wait for the other side's part of a close."""


@dataclass(frozen=True, slots=True)
class Proxies:
    """Whose word is taken about the client's address, whether it came over TLS, and by which certificate."""

    trusted: tuple[Network, ...] = ()
    certificate_header: str = ""
    """`ssl-client-subject-dn` of nginx or `x-forwarded-client-cert` of Envoy; none is believed where it is empty."""
