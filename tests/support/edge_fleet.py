"""A fleet between a scripted socket and a scripted grid, with a clock that a test sets: for orders of events."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from smartgrid.edge.chargers.fleet import Fleet
from smartgrid.edge.chargers.times import Times
from smartgrid.edge.messages.charger_clock import utc_text
from smartgrid.edge.ports import (
    Answer,
    CallFailure,
    ChargerId,
    ChargerSpec,
    EndOrder,
    OcppVersion,
    Offers,
    OpenSession,
    Outcome,
    SessionReport,
    StartOrder,
)
from smartgrid.edge.registry.replica import About, Registered
from smartgrid.edge.tags import ACCEPTED, INVALID, Tag
from smartgrid.edge.transactions.inbox import Done
from smartgrid.edge.transactions.inbox_file import InboxFile, row_of
from smartgrid.edge.transactions.transaction import Transaction

WALL_S = 1_800_000_000.0
LEASE_S = 900.0
SUBSTATION = "substation-0"


class Clock:
    """Monotonic and wall time of a test, and what is to happen later."""

    def __init__(self, now_s: float = 1_000.0, wall_s: float = WALL_S) -> None:
        self.now_s, self._ahead_s = now_s, wall_s - now_s
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._ties = itertools.count()

    def wall_s(self) -> float:
        return self._ahead_s + self.now_s

    def later(self, delay_s: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._later, (self.now_s + delay_s, next(self._ties), work))

    def run(self, for_s: float = 0.0) -> None:
        """Let time pass, and happen what is due in it."""
        end_s = self.now_s + for_s
        while self._later and self._later[0][0] <= end_s:
            at_s, _, work = heapq.heappop(self._later)
            self.now_s = max(self.now_s, at_s)
            work()
        self.now_s = end_s

    def times(self) -> Times:
        return Times(lambda: self.now_s, self.wall_s, self.later, random.Random(1))


class Inbox:
    """As the durable one, in the thread of the test; a disk that takes nothing while `is_full`."""

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        self._file, self._clock = InboxFile(data_dir), clock
        self._waiting: list[tuple[list[tuple[object, ...]], Done | None]] = []
        self.is_full = False
        self.trouble = ""

    def load(self) -> list[Transaction]:
        return self._file.load()

    def begin(self) -> None: ...

    def keep(self, transactions: Sequence[Transaction], done: Done | None = None) -> None:
        self._waiting.append(([row_of(each, self._clock.wall_s()) for each in transactions], done))
        self._clock.later(0.0, self.write)

    def write(self) -> None:
        if self.is_full:
            return
        waiting, self._waiting = self._waiting, []
        for rows, done in waiting:
            self._file.write(rows, self._clock.wall_s())
            if done is not None:
                done(True)

    def close(self) -> None:
        self._file.close()

    def __del__(self) -> None:
        self.close()  # Python 3.13 warns of a database that nobody has closed


@dataclass
class Known:
    """A registry: chargers and what they are."""

    specs: dict[ChargerId, ChargerSpec] = field(default_factory=dict)
    about: dict[ChargerId, About] = field(default_factory=dict)

    def get(self, charger: ChargerId) -> ChargerSpec | None:
        return self.specs.get(charger, ChargerSpec())

    def find(self, charger: ChargerId) -> Registered | None:
        if charger not in self.specs:
            return None
        return Registered(charger, self.specs[charger], "api", "", self.about.get(charger, About()))

    def page(self, limit: int, after: ChargerId | None = None, substation: str | None = None) -> list[Registered]:
        places = sorted(p for p in self.specs if p.substation == substation and (after is None or p > after))
        return [row for place in places[:limit] if (row := self.find(place))]

    def learn(self, charger: ChargerId, about: About) -> None:
        self.about[charger] = about


@dataclass
class Called:
    """A call of the edge to a charger, not answered yet."""

    action: str
    payload: Mapping[str, Any]
    on_answer: Callable[[Answer], None]
    slot: str | None
    is_first: bool = False

    def accept(self, **more: Any) -> None:
        self.on_answer(Answer({"status": "Accepted", **more}))

    def reject(self) -> None:
        self.on_answer(Answer({"status": "Rejected"}))

    def fail(self, failure: CallFailure, code: str = "") -> None:
        self.on_answer(Answer(None, failure, code))


class ScriptedLink:
    """One connection; `say` calls as the charger, and returns the answer once there is one."""

    def __init__(self, world: World, name: str, version: OcppVersion = OcppVersion.V16) -> None:
        self.charger, self.version = ChargerId(SUBSTATION, name), version
        self.opened_s = world.clock.now_s
        self._world = world
        self.calls: list[Called] = []
        self.answers: dict[str, Any] = {}
        self.refused: dict[str, str] = {}
        self.closed: int | None = None
        self._ids = itertools.count(1)

    def call(
        self,
        action: str,
        payload: Mapping[str, Any],
        on_answer: Callable[[Answer], None],
        *,
        slot: str | None = None,
        timeout_s: float = 60.0,
        first: bool = False,
    ) -> None:
        self.calls.append(Called(action, payload, on_answer, slot, first))

    def reply(self, message_id: str, payload: Mapping[str, Any]) -> None:
        assert message_id not in self.answers, "answered twice"
        self.answers[message_id] = payload

    def refuse(self, message_id: str, code: str, description: str) -> None:
        self.refused[message_id] = code

    def close(self, code: int, reason: str) -> None:
        self.closed = code

    def say(self, action: str, /, **payload: Any) -> Any:
        """The answer, None if there is none (yet)."""
        message_id = str(next(self._ids))
        self._world.fleet.called(self, message_id, action, payload)
        self._world.clock.run()
        return self.answers.get(message_id)

    def take(self, action: str) -> list[Called]:
        """The calls of this action that are not answered yet."""
        found = [each for each in self.calls if each.action == action]
        self.calls = [each for each in self.calls if each.action != action]
        return found

    def confirm_safe_currents(self) -> None:
        waiting, self.calls = self.calls, []
        for call in waiting:
            if "TxDefaultProfile" in str(call.payload):
                call.accept()
            else:
                self.calls.append(call)

    def profiles(self) -> list[tuple[str, float, int | None]]:
        """Accept all profiles that wait: purpose, limit and transaction of each (1.6)."""
        found = []
        while calls := self.take("SetChargingProfile"):
            for call in calls:
                profile = call.payload.get("csChargingProfiles") or call.payload["chargingProfile"]
                schedule = profile["chargingSchedule"]
                schedule = schedule[0] if isinstance(schedule, list) else schedule
                limit = schedule["chargingSchedulePeriod"][0]["limit"]
                found.append((profile["chargingProfilePurpose"], limit, profile.get("transactionId")))
                call.accept()
        return found


class ScriptedGrid:
    """Substations that a test makes answer: `outcome` says what becomes of orders."""

    def __init__(self) -> None:
        self.outcome = Outcome.DONE
        self.starts: list[StartOrder] = []
        self.ends: list[EndOrder] = []
        self.reports: list[SessionReport] = []
        self.claims: list[tuple[str, int]] = []
        self.given_back: list[tuple[str, int]] = []
        self.counted: tuple[int, int] | None = None
        self.is_silent = False
        self.loses_answers = False
        """Whether orders are done and nobody hears of it."""
        self.sessions: dict[str, OpenSession] = {}
        self._numbers = itertools.count(1)

    def knows(self, substation: str) -> bool:
        return True

    def watch(self, substation: str) -> None: ...

    async def reach(self, substation: str, timeout_s: float) -> bool:
        return not self.is_silent

    def start(self, order: StartOrder, on_done: Callable[[Outcome, OpenSession | None, str], None]) -> None:
        if self.outcome is not Outcome.DONE:
            on_done(self.outcome, None, "no")
            return
        self.starts.append(order)
        is_replayed = order.key in self.sessions
        if not is_replayed:
            self.sessions[order.key] = OpenSession(
                f"s{next(self._numbers)}",
                order.vehicle_id,
                "Charging",
                0,
                0.0,
                order.charger.charger,
                order.connector,
                order.transaction_id,
                order.meter_kwh,
                is_ours=True,
            )
        if self.loses_answers:
            on_done(Outcome.LATER, None, "no answer")
        else:
            on_done(Outcome.DONE, replace(self.sessions[order.key], is_ours=not is_replayed), "")

    def end(self, order: EndOrder, on_done: Callable[[Outcome, str], None]) -> None:
        if self.outcome is Outcome.DONE:
            self.ends.append(order)
            for key, session in self.sessions.items():
                if session.session_id == order.session_id:
                    self.sessions[key] = replace(session, state="Idle")
        on_done(self.outcome, "")

    def report(self, substation: str, report: SessionReport) -> None:
        self.reports.append(report)

    def is_told(self, substation: str, session_id: str) -> bool:
        return not self.is_silent

    def claim(self, substation: str, session_id: str, number: int) -> None:
        self.claims.append((session_id, number))

    def give_back(self, substation: str, session_id: str, number: int) -> None:
        self.given_back.append((session_id, number))

    def connectors(self, substation: str, total: int, free: int) -> None:
        self.counted = total, free


class World:
    """All of it; `restart` is a crash of the edge: only the file is left."""

    def __init__(self, data_dir: Path, connectors: int = 1) -> None:
        self.clock, self.grid, self.known = Clock(), ScriptedGrid(), Known()
        self.refused_tags: set[str] = set()
        self.tags: dict[str, Tag] = {}
        self.has_peers, self.most_untold = False, 1000
        self._data_dir = data_dir
        self._default = ChargerSpec(connectors=ChargerSpec().connectors * connectors)
        self._revisions, self._has_offered = itertools.count(1), False
        self.last_number = 0
        self._begin()

    def _begin(self) -> None:
        self._has_offered = False
        self.inbox = Inbox(self._data_dir, self.clock)
        self.fleet = Fleet(
            self.grid,
            self.inbox,
            self.known,
            self.clock.times(),
            tag_of=self._tag_of,
            has_peers=self.has_peers,
            most_untold=self.most_untold,
        )
        self.fleet.begin()

    def _tag_of(self, id_tag: str) -> Tag:
        return INVALID if id_tag in self.refused_tags else self.tags.get(id_tag, ACCEPTED)

    def restart(self) -> None:
        self.inbox.close()
        self.clock._later.clear()
        self._begin()

    def connect(
        self, name: str = "CP1", version: OcppVersion = OcppVersion.V16, *, is_settled: bool = True
    ) -> ScriptedLink:
        """A charger connects; one that is settled has confirmed its safe current, as they do within a moment."""
        self.known.specs.setdefault(ChargerId(SUBSTATION, name), self._default)
        if is_settled and not self._has_offered:
            self.offer()
        link = ScriptedLink(self, name, version)
        self.fleet.connected(link)
        self.clock.run()
        if is_settled:
            self.clock.run(0.5)  # of one that is new here they are reckoned by the next sweep
            link.confirm_safe_currents()
        return link

    def offer(
        self,
        *powers_kw: float,
        firm_kw: float = 100.0,
        number: int | None = None,
        asked_ago_s: float = 0,
        **changes: Any,
    ) -> None:
        """The substation offers its sessions this, in the order of their starts; those that have ended get nothing."""
        revision, self._has_offered = next(self._revisions), True
        number = self.last_number = revision if number is None else number
        open_sessions = [each for each in self.grid.sessions.values() if each.state != "Idle"]
        sessions = tuple(
            replace(session, **{"number": number, "offer_kw": power_kw, **changes})
            for session, power_kw in zip(open_sessions, itertools.chain(powers_kw, itertools.repeat(0.0)), strict=False)
        )
        self.fleet.offered(
            Offers(
                SUBSTATION,
                1,
                revision,
                self.clock.now_s + LEASE_S,
                100.0,
                firm_kw,
                sessions,
                self.clock.now_s - asked_ago_s,
            )
        )
        self.clock.run()

    def time(self, ago_s: float = 0.0) -> str:
        """As a charger tells the time."""
        return utc_text(self.clock.wall_s() - ago_s)

    def last_report(self) -> SessionReport:
        """The newest, once what had to wait was told, too."""
        self.clock.run(2)
        return self.grid.reports[-1]

    def status(self, link: ScriptedLink, status: str, connector: int = 1, ago_s: float = 0) -> None:
        link.say(
            "StatusNotification",
            connectorId=connector,
            status=status,
            errorCode="NoError",
            timestamp=self.time(ago_s),
        )

    def event(
        self,
        link: ScriptedLink,
        kind: str,
        transaction: str = "T1",
        *,
        seq: int = 0,
        trigger: str = "MeterValuePeriodic",
        car: str | None = None,
        token: Any = None,
        evse: int | None = None,
        wh: float | None = None,
        ago_s: float = 0,
        offline: bool | None = None,
        reason: str | None = None,
    ) -> Any:
        """A TransactionEvent of 2.0.1."""
        info = {"transactionId": transaction, "chargingState": car, "stoppedReason": reason}
        payload: dict[str, Any] = {
            "eventType": kind,
            "timestamp": self.time(ago_s),
            "triggerReason": trigger,
            "seqNo": seq,
            "transactionInfo": {name: value for name, value in info.items() if value is not None},
        }
        if evse is not None:
            payload["evse"] = {"id": evse}
        if token is not None:
            payload["idToken"] = token
        if offline is not None:
            payload["offline"] = offline
        if wh is not None:
            payload["meterValue"] = [{"timestamp": self.time(ago_s), "sampledValue": [{"value": wh}]}]
        return link.say("TransactionEvent", **payload)

    def start(
        self, link: ScriptedLink, *, connector: int = 1, tag: str = "TAG", meter: int = 1000, ago_s: float = 0
    ) -> Any:
        answer = link.say(
            "StartTransaction", connectorId=connector, idTag=tag, timestamp=self.time(ago_s), meterStart=meter
        )
        return None if answer is None else answer["transactionId"]

    def stop(self, link: ScriptedLink, transaction: int, meter: int, ago_s: float = 0, **more: Any) -> Any:
        return link.say(
            "StopTransaction", transactionId=transaction, timestamp=self.time(ago_s), meterStop=meter, **more
        )

    def value(
        self,
        link: ScriptedLink,
        transaction: int | None,
        *,
        wh: float,
        connector: int = 1,
        ago_s: float = 0,
        w: float | None = None,
    ) -> Any:
        samples = [{"value": str(wh)}]
        if w is not None:
            samples.append({"value": str(w), "measurand": "Power.Active.Import", "unit": "W"})
        more = {} if transaction is None else {"transactionId": transaction}
        return link.say(
            "MeterValues",
            connectorId=connector,
            meterValue=[{"timestamp": self.time(ago_s), "sampledValue": samples}],
            **more,
        )
