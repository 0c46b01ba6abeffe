"""The beginning of a connection: one HTTP request, and who is let in by it.

The protocol of a connection until its request is answered. `websockets` reads the request and makes the answer; what
is decided in between needs no waiting: the registry is read at once, and a key's hash is quick. So a handshake is under
way only as long as its request is, and there may be only so many of these at a time.

A charger that offers no subprotocol that we speak is let in without one and sent away at once, as OCPP-J 1.6 (3.2) has
it, so that it can tell this from a network that fails.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from contextlib import suppress
from typing import Any, NamedTuple, Protocol, cast

from websockets.datastructures import Headers
from websockets.headers import parse_subprotocol
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from smartgrid.edge.ocpp import certificates
from smartgrid.edge.ocpp.admission import Proof, Refusal
from smartgrid.edge.ocpp.path import charger_of, version_of
from smartgrid.edge.ocpp.settings import Bounds, Proxies
from smartgrid.edge.ports import ChargerId, CloseCode, OcppVersion
from smartgrid.http_server.client_address import client_address, is_trusted

MAX_HEAD = 16 * 1024
HEALTH, READY = "/health", "/ready"
RETRY_AFTER_S = (2, 15)
"""When who is told to come again is to come: some time between."""
_REASONS = {400: "bad_request", 405: "bad_request", 426: "no_websocket", 431: "bad_request", 505: "bad_request"}

FULL = Refusal(503, "full", "As many chargers are connected as may be.")
STOPPING = Refusal(503, "stopping", "This edge is ending; come again.")
_NO_CHARGER = Refusal(404, "no_charger", "Chargers connect at /ocpp/{substation}/{charger}.")
_TOO_LONG = Refusal(431, "bad_request", "The request is too long.")
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_EARLY = Refusal(400, "bad_request", "Nothing may be sent before the answer.")
_quiet = logging.getLogger("smartgrid.edge.ocpp.websocket")
_quiet.setLevel(logging.WARNING)


class Arrival(NamedTuple):
    """A WebSocket request that has come: for whom it is, by what it proves that, and all that has been read of it."""

    charger: ChargerId
    proof: Proof
    headers: Headers
    head: bytes
    transport: asyncio.Transport


class Door(Protocol):
    """What handshakes share; the listener is it."""

    bounds: Bounds
    proxies: Proxies
    buffer: memoryview

    def is_ready(self) -> bool: ...

    def is_full(self) -> bool:
        """Whether there may be no more connections."""

    def admit(self, arrival: Arrival) -> Refusal | None:
        """Whether it is let in."""

    def passed_on(self, arrival: Arrival) -> bool:
        """Whether it belongs to another edge, and has been handed to it: then the transport is no longer ours."""

    def vouched(self, arrival: Arrival) -> Proof | None:
        """What the edge that has passed it on to us has seen of it, if that is believed."""

    def entered(self, arrival: Arrival, version: OcppVersion, ws: ServerProtocol) -> None:
        """It is let in, and has been told."""

    def refused(self, reason: str) -> None: ...

    def over(self, handshake: Handshake) -> None:
        """This handshake is over, in whichever way."""

    def retry_after_s(self) -> int: ...


class _OcppProtocol(ServerProtocol):
    """With our choice of a subprotocol: none is no error, the charger's order counts."""

    def process_subprotocol(self, headers: Headers) -> Subprotocol | None:
        offered = [each for value in headers.get_all("Sec-WebSocket-Protocol") for each in parse_subprotocol(value)]
        version = version_of(offered)
        return None if version is None else Subprotocol(version)


class Handshake(asyncio.BufferedProtocol):
    """One that is under way."""

    __slots__ = (
        "_accepted",
        "_door",
        "_head",
        "_is_over",
        "_transport",
        "_ws",
        "address",
        "began_s",
        "ends_s",
    )

    def __init__(self, door: Door, accepted: socket.socket, address: str) -> None:
        """`address` is the other side's, be it a proxy's."""
        self._door, self._accepted, self.address = door, accepted, address
        self._ws = _OcppProtocol(max_size=door.bounds.max_message_bytes, logger=_quiet)
        self._head = bytearray()
        self._transport: asyncio.Transport | None = None
        self._is_over = False
        self.began_s = time.monotonic()
        self.ends_s = self.began_s + door.bounds.handshake_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there, with TLS if there is any."""
        self._transport = cast("asyncio.Transport", transport)
        if self._is_over:  # its TLS took too long
            self._transport.abort()

    def get_buffer(self, sizehint: int) -> Any:
        """One for all."""
        return self._door.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """A part of the request has come."""
        if self._is_over:
            return
        data = bytes(self._door.buffer[:nbytes])
        self._head += data
        self._ws.receive_data(data)
        events = self._ws.events_received()
        if events and isinstance(events[0], Request):
            self._decide(events[0], is_early=len(events) > 1)
        elif self._ws.handshake_exc is not None:  # which has made its own answer, if the request was one at all
            self._door.refused("bad_request")
            self._write(otherwise=_BAD_REQUEST)
        elif len(self._head) > MAX_HEAD:
            self._refuse(_TOO_LONG)

    def eof_received(self) -> bool:
        """The client has given up."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._end()

    def is_unread(self) -> bool:
        """Whether it has said something that this edge has not come to read yet: then it is not the slow one."""
        with suppress(OSError):
            return bool(self._accepted.recv(1, socket.MSG_PEEK))
        return False

    def expire(self, reason: str) -> None:
        """Its time is over, or the listener's."""
        if not self._is_over:
            self._door.refused(reason)
            self._end()
        if self._transport is not None:
            self._transport.abort()
        else:  # hands are being shaken for TLS, which fails by this
            with suppress(OSError):
                self._accepted.shutdown(socket.SHUT_RDWR)

    # ------------------------------------------------------------------ the answer

    def _decide(self, request: Request, is_early: bool) -> None:
        path = request.path.partition("?")[0]
        if path in (HEALTH, READY):
            is_good = path == HEALTH or self._door.is_ready()
            self._respond(self._ws.reject(200 if is_good else 503, "ok\n" if is_good else "not ready\n"))
            return
        charger = charger_of(request.path)
        refusal = FULL if self._door.is_full() else _EARLY if is_early else None if charger else _NO_CHARGER
        if refusal is not None or charger is None:
            self._refuse(refusal or _NO_CHARGER)
            return
        assert self._transport is not None
        head = bytes(self._head)
        arrival = Arrival(charger, self._proof(request.headers), request.headers, head, self._transport)
        if self._door.passed_on(arrival):
            self._end()
            return
        arrival = arrival._replace(proof=self._door.vouched(arrival) or arrival.proof)
        refusal = self._door.admit(arrival)
        if refusal is not None:
            self._refuse(refusal)
            return
        response = self._ws.accept(request)
        if response.status_code != 101:
            self._door.refused(_REASONS.get(response.status_code, "bad_request"))
            self._respond(response)
            return
        self._enter(arrival, response)

    def _enter(self, arrival: Arrival, response: Response) -> None:
        self._ws.send_response(response)
        if self._ws.subprotocol is None:
            self._door.refused("subprotocol")
            self._ws.fail(CloseCode.PROTOCOL_ERROR, "none of ocpp1.6, ocpp2.0.1, ocpp2.1 was offered")
            self._write()
            return
        self._write(is_end=False)
        self._end()
        arrival.headers.clear()  # `websockets` keeps the request as long as the connection: 2 KB a charger
        self._door.entered(arrival, OcppVersion(self._ws.subprotocol), self._ws)

    def _proof(self, headers: Headers) -> Proof:
        """Of two headers of a name neither is believed, but for those that proxies append to."""
        assert self._transport is not None
        peer_name = self._transport.get_extra_info("peername")
        peer = str(peer_name[0]) if isinstance(peer_name, tuple) else ""
        is_encrypted = self._transport.get_extra_info("ssl_object") is not None
        name = certificates.common_name(self._transport.get_extra_info("peercert"))
        proxies = self._door.proxies
        forwarded = ", ".join(headers.get_all("X-Forwarded-For")) or None
        if is_trusted(peer, proxies.trusted):
            if _one(headers, "X-Forwarded-Proto") in ("https", "wss"):
                is_encrypted = True
            if proxies.certificate_header:
                told = headers.get_all(proxies.certificate_header)
                verdicts = [said for each in certificates.VERDICT_HEADERS for said in headers.get_all(each)]
                name = certificates.told_by_proxy(proxies.certificate_header, told, verdicts)
        address = client_address(peer, forwarded, proxies.trusted)
        return Proof(address, is_encrypted, _one(headers, "Authorization"), name)

    def _refuse(self, refusal: Refusal) -> None:
        self._door.refused(refusal.reason)
        response = self._ws.reject(refusal.status, f"{refusal.text}\n")
        if refusal.status == 401:
            response.headers["WWW-Authenticate"] = 'Basic realm="ocpp", charset="UTF-8"'
        if refusal.status == 503:
            response.headers["Retry-After"] = str(self._door.retry_after_s())
        self._respond(response)

    def _respond(self, response: Response) -> None:
        self._ws.send_response(response)
        self._write()

    def _write(self, is_end: bool = True, otherwise: bytes = b"") -> None:
        assert self._transport is not None
        self._transport.write(b"".join(self._ws.data_to_send()) or otherwise)
        if is_end:
            self._transport.close()
            self._end()

    def _end(self) -> None:
        self._is_over = True
        self._head = bytearray()
        self._door.over(self)


def _one(headers: Headers, name: str) -> str | None:
    """Of a header that is there once."""
    found = headers.get_all(name)
    return found[0] if len(found) == 1 else None
