"""What the HTTP API tells of this edge's chargers, and does with them.

The API has threads, the chargers live in the event loop. Who is registered is on the disk, and read from any thread;
how chargers stand is asked of the loop, which hands over a picture (`state.py`) that nobody changes any more. What is
done to a charger is a call on its connection: `_told` waits in the API's thread for the charger's own answer, and makes
a problem of every way in which there is none: not connected (409), too much asked of it (503), silent (504).

A new Basic key is registered beside the old one before the charger is told it, and dropped if the charger says that it
has not taken it: so one whose answer is lost gets in with either.

A charger that is removed may still charge a car. So `remove` first has its sessions ended, which is refused while it
may be charging, and only then is the registration gone.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from flask import Response
from pydantic_core import to_jsonable_python

from smartgrid.edge import commands
from smartgrid.edge.chargers.sessions import NotGoneError
from smartgrid.edge.limits import probe
from smartgrid.edge.ports import (
    Answer,
    CallFailure,
    ChargerId,
    ChargerSpec,
    CloseCode,
    ConnectorSpec,
    Link,
    Obedience,
    Payload,
)
from smartgrid.edge.registry.keys import WeakKeyError, hash_key
from smartgrid.edge.registry.replica import OPEN, About, Registered
from smartgrid.edge.registry.spec import SpecError
from smartgrid.edge.registry.store import FullError, Registry, UnknownChargerError
from smartgrid.edge.state import ChargerState, ConnectorState
from smartgrid.protocol.chargers import ChargerSpecBody, CommandBody
from smartgrid.runtime.event_loop import EventLoop
from smartgrid.web import charger_views
from smartgrid.web.app import answer
from smartgrid.web.charger_views import COMMAND_TIMEOUT_S, ListQuery, Place
from smartgrid.web.problems import ProblemError, retry_after

LOOP_TIMEOUT_S = 5.0
HEARD_WITHIN_S = 1.5
TAKEN = (commands.ACCEPTED, "RebootRequired")
"""Of a new key. One who has not answered may have taken it: both count until it comes with one of them."""
T = TypeVar("T")


class Standing(Protocol):
    """How chargers stand; `chargers.fleet.Fleet` is it. In the loop only."""

    def state(self, charger: ChargerId) -> ChargerState | None: ...

    def states(self, substation: str | None, after: ChargerId | None, most: int) -> Iterable[ChargerState]: ...

    def profiles(self, charger: ChargerId) -> Sequence[Mapping[str, Any]]: ...

    def probed(self, charger: ChargerId) -> None: ...

    async def hear(self, substation: str, timeout_s: float) -> None: ...


class Absence(Protocol):
    """What is done about chargers that are gone; `chargers.sessions.Sessions` is it. In the loop only."""

    def end_absent(self, charger_id: ChargerId) -> int: ...


class Connections(Protocol):
    """Who is connected; `ocpp.listener.Listener` is it. In the loop only."""

    def link_of(self, charger: ChargerId) -> Link | None: ...

    def diagnostics(self, charger: ChargerId) -> Sequence[Mapping[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class OwnChargers:
    """`charger_views.Chargers` of this edge."""

    name: str
    loop: EventLoop
    registry: Registry
    standing: Standing
    absence: Absence
    connections: Connections

    def page(self, query: ListQuery) -> Response:
        after = None if query.after is None else ChargerId(*query.after)
        rows = {each.charger: each for each in self.registry.page(query.limit + 1, after, query.substation)}
        states = {each.id: each for each in self._in_loop(self._states(query.substation, after, query.limit + 1))}
        places = sorted({*rows, *states})[: query.limit + 1]
        shown = places[: query.limit]  # none of them is beyond the last of `rows` and registered all the same
        found = [self._body(place, rows.get(place), states.get(place)) for place in shown]
        cursor = charger_views.next_cursor(Place(*shown[-1])) if len(places) > query.limit else None
        return answer({"chargers": found, "next_cursor": cursor})

    def look(self, place: Place) -> Response:
        return answer(self._body(*self._known(ChargerId(*place))))

    def register(self, place: Place, body: ChargerSpecBody) -> Response:
        charger = ChargerId(*place)
        before = _spec_of(self.registry.find(charger))
        spec = _spec(body, before)
        try:
            self.registry.put(charger, spec)
        except SpecError as error:
            raise ProblemError(422, "invalid-request", f"{error}.") from error
        except FullError as error:
            raise ProblemError(409, charger_views.FULL, f"{error}.") from error
        if spec != before:
            self._in_loop(self._close(charger))
        return answer(self._body(*self._known(charger)), 201 if before is None else 200)

    def remove(self, place: Place) -> Response:
        ended = self._in_loop(self._end_absent(ChargerId(*place)))
        charger, row, state = self._known(ChargerId(*place))
        is_removed = row is not None and self.registry.delete(charger)
        if not is_removed and not ended:
            raise charger_views.unknown(place)
        return answer(self._body(charger, None, state))

    def command(self, place: Place, body: CommandBody) -> Response:
        charger, row, state = self._known(ChargerId(*place))
        if body.command == "rotate-key":
            return answer({"result": self._rotate_key(charger, _spec_of(row))})
        if body.command == "probe":
            return answer({"result": self._probe(charger, body, state)})
        transaction_id = _transaction(place, body, state) if body.command == "remote-stop" else None
        start_id = secrets.randbelow(2**31 - 1) + 1
        payload = self._told(charger, self._order(charger, body, transaction_id, start_id))
        return answer({"result": payload if isinstance(payload, str) else commands.result_of(payload)})

    def diagnostics(self, place: Place) -> Response:
        charger, row, state = self._known(ChargerId(*place))
        profiles, messages = self._in_loop(self._profiles_and_messages(charger))
        return answer({"charger": self._body(charger, row, state), "profiles": profiles, "messages": messages})

    # ------------------------------------------------------------------ from threads of the API

    def _in_loop(self, work: Coroutine[Any, Any, T], timeout_s: float = LOOP_TIMEOUT_S) -> T:
        try:
            return self.loop.run(work, timeout_s)
        except TimeoutError as error:
            detail = "The edge is busy with its chargers; nothing is known of this. Try again."
            raise ProblemError(503, "overloaded", detail, headers=retry_after()) from error

    def _known(self, charger: ChargerId) -> tuple[ChargerId, Registered | None, ChargerState | None]:
        """Raises a problem (404) for one that is not registered, and was never connected."""
        row, state = self.registry.find(charger), self._in_loop(self._state(charger))
        if row is None and state is None:
            raise charger_views.unknown(Place(*charger))
        return charger, row, state

    def _told(self, charger: ChargerId, work: Coroutine[Any, Any, Answer | None]) -> Payload | str:
        """The charger's answer, or by which code it has refused the call. Raises a problem where there is none."""
        told = self._in_loop(work, COMMAND_TIMEOUT_S + 1)
        if told is None:
            raise ProblemError(409, charger_views.OFFLINE, f"{charger.charger} is not connected; nothing was done.")
        if told.payload is not None:
            return told.payload
        if told.failure is CallFailure.REFUSED:
            return told.code or "Refused"
        if told.failure in (CallFailure.FULL, CallFailure.REPLACED):
            detail = f"Too much is asked of {charger.charger}; nothing was done. Try again."
            raise ProblemError(503, "overloaded", detail, headers=retry_after())
        raise ProblemError(504, charger_views.SILENT, f"{charger.charger} did not answer; it may have done it.")

    def _rotate_key(self, charger: ChargerId, spec: ChargerSpec | None) -> str:
        if spec is None or not spec.key_hash:
            detail = f"{charger.charger} is not registered with a key, so it has none to be changed."
            raise ProblemError(409, charger_views.NO_KEY, detail)
        try:
            payload = self._told(charger, self._key(charger, self.registry.rotate_key(charger)))
        except UnknownChargerError:
            raise charger_views.unknown(Place(*charger)) from None
        result = payload if isinstance(payload, str) else commands.result_of(payload)
        if result not in TAKEN:
            self.registry.drop_new_key(charger)
        return result

    def _probe(self, charger: ChargerId, body: CommandBody, state: ChargerState | None) -> str:
        """One step of `limits.probe`: it writes profiles, so no car may be there."""
        step = probe.BY_NAME.get(body.step or "")
        if step is None or body.connector is None:
            detail = f"step must be one of {', '.join(probe.BY_NAME)}."
            raise ProblemError(422, "invalid-request", detail)
        _check_unused(state)
        if state is None or state.version is None:
            raise ProblemError(409, charger_views.OFFLINE, f"{charger.charger} is not connected; nothing was done.")
        wall_s = time.time()
        call = commands.Call(*probe.call_of(step, state.version, body.connector, wall_s))
        payload = self._told(charger, self._probed(charger, call))
        return payload if isinstance(payload, str) else probe.result_of(step, state.version, payload, wall_s)

    def _body(self, charger: ChargerId, row: Registered | None, state: ChargerState | None) -> dict[str, Any]:
        """A `ChargerBody`; of one that is not connected with what is known from before."""
        spec, about, known = _spec_of(row), row.about if row else About(), state or ChargerState(charger)
        connectors = known.connectors or tuple(
            ConnectorState(number, phases=each.phases) for number, each in enumerate(spec.connectors if spec else (), 1)
        )
        return {
            **charger._asdict(),
            "registered": spec is not None,
            "connected": known.connected,
            "since": None if known.since_wall_s is None else datetime.fromtimestamp(known.since_wall_s, UTC),
            "version": known.version,
            "vendor": known.vendor or about.vendor or None,
            "model": known.model or about.model or None,
            "firmware": known.firmware or about.firmware or None,
            "edge": self.name,
            "security_profile": spec.security_profile if spec else 0,
            "obedience": known.obedience,
            "quirks": known.quirks,
            "profile_writes": known.profile_writes,
            "connectors": [_connector(each) for each in connectors],
        }

    # ------------------------------------------------------------------ in the loop

    async def _states(self, substation: str | None, after: ChargerId | None, most: int) -> list[ChargerState]:
        return list(self.standing.states(substation, after, most))

    async def _state(self, charger: ChargerId) -> ChargerState | None:
        return self.standing.state(charger)

    async def _end_absent(self, charger: ChargerId) -> int:
        """By what its substation says now; after a failover nobody here has heard it yet. Raises a problem (409)."""
        await self.standing.hear(charger.substation, HEARD_WITHIN_S)
        try:
            return self.absence.end_absent(charger)
        except NotGoneError as error:
            raise ProblemError(409, charger_views.IN_USE, str(error)) from error

    async def _profiles_and_messages(self, charger: ChargerId) -> tuple[list[Any], list[Any]]:
        messages = [to_jsonable_python(each) for each in self.connections.diagnostics(charger)]
        return list(self.standing.profiles(charger)), messages

    async def _close(self, charger: ChargerId) -> None:
        """It comes again by itself, and is asked for what it is registered with now."""
        link = self.connections.link_of(charger)
        if link is not None:
            link.close(CloseCode.SERVICE_RESTART, "registered anew")

    async def _order(
        self, charger: ChargerId, body: CommandBody, transaction_id: str | None, start_id: int
    ) -> Answer | None:
        link = self.connections.link_of(charger)
        return (
            None
            if link is None
            else await _answer(link, commands.call_of(body, link.version, transaction_id, start_id))
        )

    async def _probed(self, charger: ChargerId, call: commands.Call) -> Answer | None:
        link = self.connections.link_of(charger)
        if link is None:
            return None
        try:
            return await _answer(link, call)
        finally:
            self.standing.probed(charger)

    async def _key(self, charger: ChargerId, key: str) -> Answer | None:
        link = self.connections.link_of(charger)
        return None if link is None else await _answer(link, commands.key_call(key, link.version))


def _spec_of(row: Registered | None) -> ChargerSpec | None:
    """As somebody has registered it; None of one that only came to an open edge."""
    return None if row is None or row.origin == OPEN else row.spec


def _check_unused(state: ChargerState | None) -> None:
    """Raises a problem (409) while a car is there."""
    if state is not None and any(each.session_id is not None for each in state.connectors):
        detail = "A car is charged there; stop its session first, and wait for its end."
        raise ProblemError(409, charger_views.IN_USE, detail)


async def _answer(link: Link, call: commands.Call) -> Answer:
    """The charger's answer, or that there is none in time."""
    told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def on_answer(found: Answer) -> None:
        if not told.done():
            told.set_result(found)

    link.call(call.action, call.payload, on_answer, timeout_s=COMMAND_TIMEOUT_S, first=True)
    try:
        return await asyncio.wait_for(told, COMMAND_TIMEOUT_S)
    except TimeoutError:  # it waits behind other calls yet
        return Answer(None, CallFailure.TIMEOUT)


def _transaction(place: Place, body: CommandBody, state: ChargerState | None) -> str:
    """Of the session that is to end. Raises a problem (404)."""
    wanted = None if body.session_id is None else body.session_id.rpartition(".")[2]
    for each in state.connectors if state else ():
        if each.transaction_id is not None and (each.connector == body.connector or each.session_id == wanted):
            return each.transaction_id
    where = f"session {body.session_id}" if body.session_id is not None else f"session at connector {body.connector}"
    raise ProblemError(404, "not-found", f"There is no {where} of charger {place.charger} at {place.substation}.")


def _spec(body: ChargerSpecBody, before: ChargerSpec | None) -> ChargerSpec:
    """As it is to be registered. Raises a problem (422) where what proves it is missing."""
    key_hash = before.key_hash if before else ""
    if body.key is not None:
        try:
            key_hash = hash_key(body.key)
        except WeakKeyError as error:
            raise ProblemError(422, "invalid-request", f"{error}.") from error
    if body.security_profile in (1, 2) and not key_hash:
        raise ProblemError(422, "invalid-request", f"security_profile {body.security_profile} needs a key.")
    if body.security_profile == 3 and not body.certificate_subject:
        raise ProblemError(422, "invalid-request", "security_profile 3 needs a certificate_subject.")
    return ChargerSpec(
        connectors=tuple(ConnectorSpec(each.phases, each.rating_a) for each in body.connectors),
        security_profile=body.security_profile,
        key_hash=key_hash if body.security_profile in (1, 2) else "",
        certificate_subject=body.certificate_subject,
        quirks=body.quirks,
    )


def _connector(each: ConnectorState) -> dict[str, Any]:
    return {
        "connector": each.connector,
        "status": each.status,
        "session_id": each.session_id,
        "offer_kw": each.offer_kw,
        "limit_a": each.limit_a,
        "phases": each.phases,
        "power_kw": each.power_kw,
        "currents_a": list(each.currents_a),
        "held_kw": None if each.held_kw is None else round(each.held_kw, 9),
        "fallback_a": each.fallback_a,
        "obedience": Obedience(each.obedience),
    }
