"""Settings of the edge service."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from smartgrid.edge.sharding.peers import NUMBER
from smartgrid.http_server.client_address import networks
from smartgrid.protocol.models import MEMBER_NAME, MemberName
from smartgrid.runtime.settings import CallingSettings

HTTP, WEBSOCKET = ("http", "https"), ("ws", "wss")


def _host_label() -> str:
    return socket.gethostname().split(".", maxsplit=1)[0].lower()


class EdgeSettings(CallingSettings):
    """`SMARTGRID_OCPP_PORT` and so on."""

    port: int = Field(8083, ge=1, le=65535, description="TCP port to listen on.")
    name: MemberName = Field(
        default_factory=_host_label, description="Its name among the edges; by default the host's."
    )

    ocpp_host: str = Field("127.0.0.1", description="Address at which chargers connect.")
    ocpp_port: int = Field(9000, ge=1, le=65535, description="TCP port at which chargers connect.")
    ocpp_tls_cert_file: Path | None = Field(
        None,
        description="Certificate with its chain, PEM: wss on that port. At many chargers TLS is better ended in front.",
    )
    ocpp_tls_key_file: Path | None = Field(None, description="The certificate's key, PEM, without a password.")
    ocpp_client_ca_file: Path | None = Field(
        None, description="Authorities of chargers' certificates, PEM (security profile 3)."
    )
    client_certificate_header: str = Field(
        "",
        max_length=100,
        pattern=r"^[A-Za-z0-9-]*$",
        description="Header in which a trusted proxy says the subject of the charger's certificate.",
    )
    trusted_proxies: str = Field(
        "", description="Networks of proxies that end TLS for chargers and whose headers are believed, with commas."
    )

    balancer_url: str = Field(
        "http://127.0.0.1:8081", description="Where the balancer is, which is asked where the substations are."
    )
    substations: str = Field("", description="Fixed substations, `name=url` with commas; the balancer is not asked.")

    registration: Literal["closed", "open"] = Field(
        "closed", description="`open` lets any charger in at a substation that is known; else only registered ones."
    )
    chargers_file: Path | None = Field(
        None,
        description="Chargers that are registered, JSON (docs/chargers.md). Read at the start and whenever it changes.",
    )
    id_tags_file: Path | None = Field(
        None,
        description="Tags that may charge, one a line (docs/chargers.md); when not set, any may. Read at the start.",
    )
    quirks_file: Path | None = Field(
        None, description="Models of chargers with ways of their own, beside those that are built in (docs/quirks.md)."
    )

    max_chargers: int = Field(12_000, ge=1, le=100_000, description="Most chargers that are connected at once.")
    max_frame_bytes: int = Field(64 * 1024, ge=4096, le=1024 * 1024, description="Longest message of a charger.")
    messages_per_s: float = Field(
        10, gt=0, le=1000, allow_inf_nan=False, description="Messages of one charger in the long run."
    )
    max_inbox_messages: int = Field(
        1_000_000,
        ge=100,
        le=100_000_000,
        description="Most transactions of which substations were not told all; beyond it no new one is answered.",
    )
    heartbeat_s: int = Field(300, ge=10, le=86_400, description="How often chargers are told to send a heartbeat.")
    meter_interval_s: int | None = Field(
        None,
        ge=1,
        le=3600,
        description="How often chargers are told to send their meters while a car charges. When not set: every 10 to "
        "60 s, by how many there are.",
    )

    peers: str = Field(
        "",
        description="All edges, this one too: `name=ws-url|http-url` with commas. Each has some of the substations.",
    )
    peer_template: str = Field(
        "", description="The same for a StatefulSet: `ws-url|http-url`, with {n} for the number of an edge."
    )
    peer_secret_file: Path | None = Field(
        None,
        description="A file with 32 random bytes or more, the same for all edges, by which they believe what one says "
        "of a charger that it passes on.",
    )

    @field_validator("balancer_url")
    @classmethod
    def _balancer(cls, value: str) -> str:
        return _url(value, HTTP)

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        networks(value)
        return value

    @field_validator("substations")
    @classmethod
    def _substations(cls, value: str) -> str:
        parse_substations(value)
        return value

    @field_validator("peers")
    @classmethod
    def _peers(cls, value: str) -> str:
        parse_peers(value)
        return value

    @field_validator("peer_template")
    @classmethod
    def _template(cls, value: str) -> str:
        if value:
            if NUMBER not in value:
                raise PydanticCustomError("template", "Input should have {n} in the place of an edge's number")
            _peer_urls(value.replace(NUMBER, "0"))
        return value


def parse_substations(text: str) -> dict[str, str]:
    """Read `name=url,…`. Raises ValueError with one sentence."""
    return {name: _url(url, HTTP) for name, url in _named(text, "substation-0=http://127.0.0.1:8082")}


def parse_peers(text: str) -> dict[str, tuple[str, str]]:
    """Read `name=ws-url|http-url,…`. Raises ValueError with one sentence."""
    example = "edge-0=ws://edge-0:9000|http://edge-0:8083"
    return {name: _peer_urls(urls) for name, urls in _named(text, example)}


def _named(text: str, example: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, rest = item.partition("=")
        if not MEMBER_NAME.fullmatch(name) or not rest:
            raise PydanticCustomError("named", "Input should be as in {example}, with commas", {"example": example})
        if name in dict(found):
            raise PydanticCustomError("twice", "Input has {name} twice", {"name": name})
        found.append((name, rest))
    return found


def _peer_urls(text: str) -> tuple[str, str]:
    websocket, _, http = text.partition("|")
    return _url(websocket, WEBSOCKET), _url(http, HTTP)


def _url(value: str, schemes: tuple[str, ...]) -> str:
    try:
        parts = urlsplit(value)
        is_one = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one:
        example = f"{schemes[0]}://127.0.0.1:8081"
        raise PydanticCustomError("url", "Input should be a URL such as {example}", {"example": example})
    return value.rstrip("/")
