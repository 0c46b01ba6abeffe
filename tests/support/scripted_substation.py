"""Substations that speak docs/protocol.md over real HTTP, and can be told to do it wrong.

Each keeps its promises as a real one does, without power sharing and without a disk: sessions by key, numbers that are
raised, a log of keys with an epoch, long polls, supersedings, a list of cars that wait (in which nothing moves by
itself). A script for a kind of request says otherwise: answer
something else, do it and never answer, answer late. All run on one event loop in one thread, so two hundred of them
cost a test no more than a few.

>>> with ScriptedSubstations(["substation-0", "substation-1"]) as stubs:
...     stubs["substation-0"].scripts["POST /charge"] = done_but_lost
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from smartgrid.domain.status import Status
from smartgrid.protocol import headers, keys, numbers, status_header
from smartgrid.protocol.fingerprint import fingerprint
from smartgrid.protocol.keys import KeyEntry, KeyLog
from smartgrid.protocol.models import ChargeBody
from smartgrid.protocol.numbers import ZERO, Number
from support.ports import free_port

TIMEOUT_S = 20.0
STARTED_AT = "2027-01-01T12:00:00.000Z"
T = TypeVar("T")


@dataclass
class Request:
    """What has come in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def number(self) -> Number:
        return numbers.decode(self.headers.get(headers.NUMBER.lower())) or ZERO


@dataclass
class Response:
    """What goes out; nothing at all where `status` is 0: the connection is closed."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None  # in place of `body`, as it is
    prefix: bytes = b""  # what comes before the answer
    with_status: bool = True


@dataclass
class Held:
    """A session with its key."""

    session_id: str
    digest: str
    number: Number
    body: bytes
    vehicle_id: str
    state: str = "Charging"
    end_reason: str | None = None
    superseded_by: str = ""
    started: bool = True
    owner: str | None = None


Script = Callable[["ScriptedSubstation", Request], Awaitable[Response]]


class ScriptedSubstation:
    """To be changed by a test only through its methods, which do it on the loop."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop, capacity_kw: float) -> None:
        self.name, self.port, self._loop = name, free_port(), loop
        self.capacity_kw, self.load_kw = capacity_kw, 0.0
        self.sessions: dict[str, Held] = {}
        self._by_digest: dict[str, Held] = {}
        self._active = 0
        self.requests: list[Request] = []
        self.scripts: dict[str, Script] = {}
        """By the beginning of `METHOD /path`, what to do in place of what a substation does."""
        self.epoch, self.revision = secrets.randbelow(2**50) + 1, 1
        self.log = KeyLog()
        self.draining = False
        self.forecast_s: float | None = 60.0
        """When a car would start that joined the list."""
        self.connectors: int | None = None
        """How many connectors of chargers it knows of; each session takes one."""
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # ------------------------------------------------------------------ for tests

    def restart(self, *, without_file: bool = False) -> None:
        """As after a kill: another epoch, all connections closed; also without its sessions and keys."""

        def again() -> None:
            self.epoch, self.revision = secrets.randbelow(2**50) + 1, 1
            if without_file:
                self.sessions.clear()
                self._by_digest.clear()
                self._active = 0
            self.log = KeyLog()
            for held in self.sessions.values():
                self.log.note(_entry(held))
            self._hang_up()

        self._do(again)

    def put(self, key: str, number: Number, vehicle_id: str = "EV-1") -> str:
        """A session that someone else has started here; returns its id."""
        return self._do(lambda: self._start(keys.digest(key), number, b"", vehicle_id).session_id)

    def end(self, session_id: str, reason: str = "Stopped") -> None:
        self._do(lambda: self._end(self.sessions[session_id], reason))

    def set_load(self, load_kw: float) -> None:
        def change() -> None:
            self.load_kw = load_kw
            self._has_changed()

        self._do(change)

    def know_connectors(self, connectors: int | None) -> None:
        """From now on it knows of chargers with so many connectors, or of none."""

        def change() -> None:
            self.connectors = connectors
            self._has_changed()

        self._do(change)

    def fill(self, *, draining: bool = False) -> None:
        """No room for any car."""

        def change() -> None:
            self.load_kw, self.draining = self.capacity_kw, draining
            self._has_changed()

        self._do(change)

    def begin(self, session_id: str) -> None:
        """A car that waits has its turn."""

        def change() -> None:
            held = self.sessions[session_id]
            held.state, held.started, held.number = "Charging", True, numbers.settled(held.number)
            self._active += 1
            self.log.note(_entry(held))
            self._has_changed()

        self._do(change)

    def waiting(self) -> list[Held]:
        """The sessions that wait, in the order in which they joined."""
        return [each for each in list(self.sessions.values()) if each.state == "Waiting"]

    def charging(self, vehicle_id: str | None = None) -> list[Held]:
        """The sessions that have not ended."""
        found = list(self.sessions.values())
        return [each for each in found if each.state == "Charging" and vehicle_id in (None, each.vehicle_id)]

    def asked(self, what: str) -> list[Request]:
        """The requests that begin so, such as `POST /charge`."""
        return [each for each in list(self.requests) if f"{each.method} {each.path}".startswith(what)]

    def listen(self) -> None:
        """Be there again after `vanish`."""
        asyncio.run_coroutine_threadsafe(self.start(), self._loop).result(TIMEOUT_S)

    def vanish(self) -> None:
        """Refuse connections, as a process that has ended."""

        def close() -> None:
            if self._server is not None:
                self._server.close()
            self._hang_up()

        self._do(close)

    def _do(self, work: Callable[[], T]) -> T:
        with suppress(RuntimeError):  # a script calls it, on the loop
            if asyncio.get_running_loop() is self._loop:
                return work()

        async def on_the_loop() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(on_the_loop(), self._loop).result(TIMEOUT_S)

    # ------------------------------------------------------------------ on the loop: HTTP

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def _hang_up(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                request = await _read(reader)
                self.requests.append(request)
                response = await self._answer(request)
                if not response.status:
                    return
                writer.write(self._bytes(response))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the balancer went, or the test is over
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, request: Request) -> Response:
        what = f"{request.method} {request.path}"
        script = next((each for begin, each in self.scripts.items() if what.startswith(begin)), None)
        return await (script(self, request) if script else self.do(request))

    def _bytes(self, response: Response) -> bytes:
        body = response.raw if response.raw is not None else json.dumps(response.body).encode()
        kind = "application/json" if response.status < 400 else "application/problem+json"
        sent = {"Content-Type": kind, "Content-Length": str(len(body)), **response.headers}
        if response.with_status:
            sent.setdefault(headers.STATUS, status_header.encode(self.name, self.status(), None))
        lines = [f"HTTP/1.1 {response.status} X", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
        return response.prefix + "\r\n".join(lines).encode("latin-1") + body

    # ------------------------------------------------------------------ on the loop: what a substation does

    async def do(self, request: Request) -> Response:
        """As docs/protocol.md says."""
        match request.method, request.path:
            case _, "/status":
                return await self._status(request)
            case "POST", "/charge":
                return self._charge(request)
            case _, "/ready":
                body: object = {"status": "ready"}
            case _, "/forecast":
                body = {"expected_start_in_s": self.forecast_s, "takes": not self.draining}
            case _, "/waiting":
                body = {"cars": [self._listed(each) for each in self.waiting()][: int(request.query["limit"])]}
            case _, "/charge":
                body = {"sessions": [self.shown(each) for each in self.sessions.values()], "next_cursor": None}
            case _:
                return await self._one(request)
        return Response(200, body)

    async def _one(self, request: Request) -> Response:
        held = self.sessions.get(unquote(request.path.removeprefix("/charge/")))
        if held is None:
            return problem(404, "not-found")
        if request.method == "DELETE":
            self._stop(held, request.query)
        elif "wait_s" in request.query:
            await self._until_another(held, request.query["while"], int(request.query["wait_s"]))
        return Response(200, self.shown(held))

    async def _until_another(self, held: Held, state: str, wait_s: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while held.state == state != "Idle":
                    await asyncio.sleep(0.01)

    def status(self) -> Status:
        load_kw = min(self.capacity_kw, self.load_kw + self._active)
        free = None if self.connectors is None else max(0, self.connectors - self._active)
        return Status(
            capacity_kw=self.capacity_kw,
            load_kw=load_kw,
            committed_kw=load_kw,
            demand_kw=load_kw,
            active_sessions=self._active,
            revision=self.revision,
            next_release_s=None,
            largest_free_kw=0.0 if self.waiting() or free == 0 else self.capacity_kw - load_kw,
            draining=self.draining,
            epoch=self.epoch,
            waiting_sessions=len(self.waiting()),
            waiting_kw=11.0 * len(self.waiting()),
            waiting_kwh=10.0 * len(self.waiting()),
            connectors=self.connectors,
            free_connectors=free,
        )

    async def _status(self, request: Request) -> Response:
        query = {name: int(value) for name, value in request.query.items()}
        known = query.get("epoch") == self.epoch
        since, position = query.get("since"), query.get("keys") if known else 0
        if known and since is not None and self.revision <= since and self.log.position <= (position or 0):
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), query.get("wait_s", 0))
            known = query.get("epoch") == self.epoch
        page = self.log.since((position or 0) if known else 0)._replace(reset=not known)
        found = status_header.wire_status(self.name, self.status())
        return Response(200, {**found, "keys": keys.to_wire(page)} if "keys" in query else found)

    def _charge(self, request: Request) -> Response:
        owner, key = request.headers.get(headers.OWNER.lower()), request.headers.get(headers.KEY.lower())
        digest = request.headers[headers.KEY_DIGEST.lower()] if key is None else keys.digest(key, owner)
        held, body = self._by_digest.get(digest), json.loads(request.body)
        if held is None:
            if not self.draining and self.status().largest_free_kw >= 1:
                return Response(201, self.shown(self._start(digest, request.number, request.body, body["vehicle_id"])))
            if self.draining or not body.get("wait") or request.headers.get(headers.WAIT.lower()) == headers.NO_WAIT:
                return problem(503, "draining" if self.draining else "no-capacity")
            joined = self._join(digest, request.number, request.body, body["vehicle_id"], owner)
            return Response(202, self.shown(joined), {"Retry-After": "7"})
        if held.body and _meant(held.body) != _meant(request.body):
            return problem(422, "idempotency-key-reused")
        if held.superseded_by:
            return problem(409, "superseded", superseded_by=held.superseded_by)
        if key is not None:  # a move raises no number
            held.number = max(held.number, request.number)
        self.log.note(_entry(held))
        self._has_changed()
        waits = {"Retry-After": "7"} if held.state == "Waiting" else {}
        return Response(202 if waits else 201, self.shown(held), {headers.REPLAYED: "true", **waits})

    def _start(self, digest: str, number: Number, body: bytes, vehicle_id: str) -> Held:
        held = Held(secrets.token_urlsafe(16), digest, number, body, vehicle_id)
        self._active += 1
        return self._take_in(held)

    def _join(self, digest: str, number: Number, body: bytes, vehicle_id: str, owner: str | None) -> Held:
        session_id = secrets.token_urlsafe(16)
        return self._take_in(Held(session_id, digest, number, body, vehicle_id, "Waiting", started=False, owner=owner))

    def _take_in(self, held: Held) -> Held:
        self.sessions[held.session_id] = self._by_digest[held.digest] = held
        self.log.note(_entry(held))
        self._has_changed()
        return held

    def _stop(self, held: Held, query: dict[str, str]) -> None:
        before = numbers.decode(query.get("before"))
        if before is None:
            self._end(held, "Stopped")
        elif held.number < before:
            held.superseded_by = query["superseded_by"]
            self._end(held, "Superseded")

    def _end(self, held: Held, reason: str) -> None:
        if held.state != "Idle":
            self._active -= held.state == "Charging"
            if held.state == "Waiting" and reason != "Superseded":
                held.number = numbers.settled(held.number)
            held.state, held.end_reason = "Idle", reason
        self.log.note(_entry(held))
        self._has_changed()

    def _has_changed(self) -> None:
        self.revision += 1
        self._changed.set()

    def shown(self, held: Held) -> dict[str, Any]:
        """A session as it goes out."""
        return {
            "session_id": held.session_id,
            "vehicle_id": held.vehicle_id,
            "substation": self.name,
            "state": held.state,
            "energy_kwh": 10.0,
            "delivered_kwh": 0.0,
            "power_kw": 1.0 if held.state == "Charging" else 0.0,
            "max_power_kw": 11.0,
            "min_power_kw": 1.0,
            "started_at": STARTED_AT if held.started else None,
            "ended_at": STARTED_AT if held.state == "Idle" else None,
            "departure_time": None,
            "end_reason": held.end_reason,
            **({"position": self.waiting().index(held) + 1} if held.state == "Waiting" else {}),
            **({"superseded_by": held.superseded_by} if held.superseded_by else {}),
        }

    def _listed(self, held: Held) -> dict[str, Any]:
        """As `GET /waiting` shows it."""
        return {
            "session_id": held.session_id,
            "digest": held.digest,
            "number": numbers.encode(held.number),
            "fingerprint": fingerprint(ChargeBody.model_validate(_meant(held.body))),
            "owner": held.owner,
            "body": _meant(held.body),
        }


class ScriptedSubstations:
    """Several of them, by name, running while entered."""

    def __init__(self, names: Iterable[str], capacity_kw: float = 100.0) -> None:
        self._loop = asyncio.new_event_loop()
        self._by_name = {name: ScriptedSubstation(name, self._loop, capacity_kw) for name in names}
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __getitem__(self, name: str) -> ScriptedSubstation:
        return self._by_name[name]

    def __iter__(self) -> Iterator[ScriptedSubstation]:
        return iter(self._by_name.values())

    def listed(self) -> str:
        """As SMARTGRID_SUBSTATIONS takes them."""
        return ",".join(f"{each.name}={each.url}" for each in self)

    def __enter__(self) -> Self:
        self._thread.start()
        for each in self:
            asyncio.run_coroutine_threadsafe(each.start(), self._loop).result(TIMEOUT_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in self:
            each.vanish()
        asyncio.run_coroutine_threadsafe(_end_all(), self._loop).result(TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT_S)
        self._loop.close()


async def _end_all() -> None:
    waiting = asyncio.all_tasks() - {asyncio.current_task()}
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.sleep(0)  # what was closed is closed in the loop's next turn


async def _read(reader: asyncio.StreamReader) -> Request:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    sent = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(sent.get("content-length", 0)))
    parts = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return Request(method, parts.path, query, sent, body)


def _entry(held: Held) -> KeyEntry:
    return KeyEntry(held.digest, held.number, held.session_id, bool(held.superseded_by))


def _meant(body: bytes) -> dict[str, Any]:
    """What the request asks for, whether it waits for it or not."""
    return {name: value for name, value in json.loads(body).items() if name not in ("wait", "wait_until")}


def problem(status: int, code: str, **extensions: object) -> Response:
    """An error as a substation answers it."""
    return Response(status, {"status": status, "code": code, "detail": "as the script says", **extensions})


# ---------------------------------------------------------------------- scripts


async def done_but_lost(substation: ScriptedSubstation, request: Request) -> Response:
    """It is done, and the answer is lost."""
    await substation.do(request)
    return Response(0)


async def not_done(_substation: ScriptedSubstation, _request: Request) -> Response:
    """The connection breaks before anything is done."""
    return Response(0)


async def silence(_substation: ScriptedSubstation, _request: Request) -> Response:
    """It hangs: nothing is done, and nothing answered."""
    await asyncio.sleep(3600)
    raise AssertionError


def late(delay_s: float) -> Script:
    """It is done only after a while, whether anyone still waits or not."""

    async def script(substation: ScriptedSubstation, request: Request) -> Response:
        await asyncio.sleep(delay_s)
        return await substation.do(request)

    return script


def answers(response: Response) -> Script:
    """Nothing is done, and this is answered."""

    async def script(_substation: ScriptedSubstation, _request: Request) -> Response:
        return response

    return script
