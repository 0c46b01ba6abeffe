"""A charger as a state machine without sockets: frames and moments in, frames out.

One machine for both versions of OCPP; a `Dialect` has the words. It is driven by four things: drivers (`plug`, `swipe`,
`stop`, `unplug`), the network (`opened`, `received`, `closed`), time (`advance`, not later than `next_event_s`), and
its power going off (`reboot`). After each, `outgoing` has what is to be sent, in order.

What it keeps over a reboot: profiles, configuration, registers, and the messages of transactions that nobody has taken.
It charges as soon as a tag is let in, without waiting for the grid to know of it: a Start is a report, not a question.
Whether it is online makes no difference to what it allows a car; profiles run out by its clock either way.

Times named `now_s` are monotonic; the charger's own clock is ahead of the true one by `clock_ahead_s`.
"""

from __future__ import annotations

import json
import logging
import math
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from smartgrid.chargersim.behaviour import FAULTLESS, Behaviour
from smartgrid.chargersim.car import Car
from smartgrid.chargersim.dialect import Dialect, Identity, Payload, Said, Sample, State, UnknownActionError, wall_of
from smartgrid.chargersim.installed import Installed
from smartgrid.chargersim.mailbox import Call, Mailbox
from smartgrid.chargersim.outlet import Outlet
from smartgrid.chargersim.profiles import Profile, Purpose, allowed_a
from smartgrid.chargersim.samples import samples_of
from smartgrid.chargersim.transaction import Transaction

log = logging.getLogger(__name__)

CALL, RESULT, ERROR = 2, 3, 4
HEARTBEAT_S = 300.0
BOOT_PAUSE_S = 10.0
STOPPED_BY_DRIVER, STOPPED_REMOTELY, STOPPED_BY_REBOOT, STOPPED_BY_CABLE, NOT_LET_IN = (
    "Local",
    "Remote",
    "Reboot",
    "EVDisconnected",
    "DeAuthorized",
)


@dataclass(slots=True)
class Place:
    """A connector with what goes on at it."""

    outlet: Outlet
    transaction: Transaction | None = None
    told: State | None = None
    asking: str | None = None
    """A tag whose Authorize is under way."""
    next_reading_s: float = math.inf
    is_let_out: bool = False
    """A transaction is over, the car still there."""


@dataclass(slots=True)
class Counts:
    """What a charger has seen of the other side."""

    received: int = 0
    sent: int = 0
    profiles: int = 0
    refusals: int = 0
    """Answers that were errors."""
    strange: list[str] = field(default_factory=list)
    """What came and could not be understood, at most a hundred."""


class Charger:
    """See the module. `watch` sees each CALL that comes in, for tests."""

    def __init__(
        self,
        identity: Identity,
        dialect: Dialect,
        outlets: Sequence[Outlet],
        behaviour: Behaviour = FAULTLESS,
        *,
        now_s: float = 0.0,
        wall_s: float = 0.0,
        rng: random.Random | None = None,
        watch: Callable[[str, Payload], None] | None = None,
    ) -> None:
        self.identity, self._dialect, self.behaviour = identity, dialect, behaviour
        self.places = {outlet.number: Place(outlet) for outlet in outlets}
        self.transactions: list[Transaction] = []
        self._profiles = Installed(behaviour, refuses_another_id=dialect.names_transactions())
        self.counts = Counts()
        self.is_online = False
        self.outgoing: list[str] = []
        self._rng = rng or random.Random(identity.name)
        self._watch = watch
        self._now_s = now_s
        self._wall_offset_s = wall_s - now_s + behaviour.clock_ahead_s
        self._is_booted = not behaviour.boots
        self._configuration = _configuration(behaviour, len(outlets))
        self._mailbox = Mailbox(
            f"{self._rng.randrange(16**6):06x}",
            behaviour.call_timeout_s,
            behaviour.retry_pause_s,
            repeats=behaviour.repeats_messages,
        )
        self._heartbeat_s = HEARTBEAT_S
        self._next_heartbeat_s = math.inf
        self._boot_at_s = math.inf
        self._next_tick_s = math.inf
        self._tick_phase_s = self._rng.random() * behaviour.tick_s
        self._answers: list[tuple[float, str]] = []
        self._reboot_at_s = math.inf
        self.is_to_reconnect = False
        """The shell is to close the connection: set by a Reset."""

    # ------------------------------------------------------------------ drivers

    def plug(self, connector: int, car: Car, now_s: float, tag: str | None = None) -> None:
        """A car comes; with a tag its driver wants to charge."""
        self.advance(now_s)
        place = self.places[connector]
        place.outlet.plug(car, now_s)
        place.is_let_out = False
        if self.behaviour.starts_at_plug and self._dialect.names_transactions():
            self._begin(place, tag="", is_authorized=False)
        self._tell_state(place)
        if tag is not None:
            self.swipe(connector, tag, now_s)

    def swipe(self, connector: int, tag: str, now_s: float) -> None:
        """A driver holds up a card: lets the car in, once it is known whether the tag may."""
        self.advance(now_s)
        place = self.places[connector]
        if not self.behaviour.authorizes or not self.is_online:
            if self.is_online or self.behaviour.starts_offline:
                self._let_in(place, tag)
            return
        place.asking = tag
        self._say(self._dialect.authorize(tag), lambda answer: self._authorized(place, tag, answer))

    def stop(self, connector: int, now_s: float, reason: str = STOPPED_BY_DRIVER) -> None:
        self.advance(now_s)
        self._end(self.places[connector], reason)

    def unplug(self, connector: int, now_s: float) -> Car | None:
        """The cable is out: whatever goes on is over."""
        self.advance(now_s)
        place = self.places[connector]
        self._end(place, STOPPED_BY_CABLE)
        place.asking, place.is_let_out = None, False
        car = place.outlet.unplug(now_s)
        self._tell_state(place)
        return car

    def reboot(self, now_s: float) -> None:
        """The power was off for a moment. The shell closes the connection."""
        self.advance(now_s)
        for place in self.places.values():
            self._end(place, STOPPED_BY_REBOOT)
            place.told = None
        self.closed(now_s)
        self._is_booted = not self.behaviour.boots
        self._reboot_at_s = math.inf

    # ------------------------------------------------------------------ network

    def opened(self, now_s: float) -> None:
        """A connection is there. Only who has just come to life says Boot."""
        self.advance(now_s)
        self.is_online = True
        self._next_heartbeat_s = now_s + self._heartbeat_s * self._rng.uniform(0.5, 1.0)
        if not self._is_booted:
            self._say_boot()
        self._tell_all_states()
        self._flush()

    def closed(self, now_s: float) -> None:
        self._now_s = max(self._now_s, now_s)
        self.is_online = False
        self._next_heartbeat_s = self._boot_at_s = math.inf
        self._answers.clear()
        self.outgoing.clear()
        self._mailbox.closed()
        for place in self.places.values():
            place.told = None

    def received(self, text: str, now_s: float) -> None:
        """A frame came."""
        self.advance(now_s)
        self.counts.received += 1
        try:
            frame = json.loads(text)
            kind, message_id = frame[0], frame[1]
        except (ValueError, LookupError, TypeError):
            self._find_strange(text)
            return
        if kind == CALL:
            self._called(message_id, frame[2], frame[3])
        elif kind in (RESULT, ERROR):
            if kind == ERROR:
                self.counts.refusals += 1
            if not self._mailbox.answered(message_id, frame[2] if kind == RESULT else None, now_s):
                self._find_strange(text)
        else:
            self._find_strange(text)
        self._flush()

    def _called(self, message_id: str, action: str, payload: Payload) -> None:
        if self._watch is not None:
            self._watch(action, payload)
        try:
            answer: list[Any] = [RESULT, message_id, self._dialect.handle(self, action, payload)]
        except UnknownActionError:
            answer = [ERROR, message_id, "NotImplemented", f"{action} is not known here", {}]
        except (LookupError, TypeError, ValueError) as problem:
            self._find_strange(f"{action}: {problem!r}")
            answer = [ERROR, message_id, "FormationViolation", str(problem)[:200], {}]
        self._answers.append((self._now_s + self.behaviour.answer_delay_s, _frame(answer)))

    def _find_strange(self, text: str) -> None:
        if len(self.counts.strange) < 100:
            self.counts.strange.append(text[:500])

    # ------------------------------------------------------------------ time

    @property
    def next_event_s(self) -> float:
        """When `advance` is due, at the latest."""
        events = [self._next_heartbeat_s, self._next_tick_s, self._reboot_at_s, self._boot_at_s]
        if self.is_online:
            events.append(self._mailbox.next_event_s)
            events += [at_s for at_s, _ in self._answers]
        for place in self.places.values():
            events += (place.outlet.next_event_s, place.next_reading_s)
        return min(events)

    def advance(self, now_s: float) -> None:
        """Let time pass."""
        self._now_s = now_s = max(self._now_s, now_s)
        for place in self.places.values():
            place.outlet.advance(now_s)
        if now_s >= self._reboot_at_s:
            self.is_to_reconnect = True
            self.reboot(now_s)
        if now_s >= self._next_tick_s:
            self._look_at_profiles()
        for place in self.places.values():
            if now_s >= place.next_reading_s:
                self._read(place)
        if self.is_online:
            if now_s >= self._boot_at_s:
                self._say_boot()
            if now_s >= self._next_heartbeat_s:
                self._next_heartbeat_s = now_s + self._heartbeat_s
                self._say(self._dialect.heartbeat(), self._heard_time)
            self._mailbox.advance(now_s)
            self._flush()

    def _look_at_profiles(self) -> None:
        """A charger's tick: signal what the profiles allow, and tell what has become of the car."""
        occupied = False
        for place in self.places.values():
            if place.outlet.car is None:
                continue
            occupied = True
            place.outlet.allow(self.allowed_a(place.outlet.number), self._now_s)
            self._tell_state(place)
        self._plan_tick(occupied)

    def _plan_tick(self, occupied: bool) -> None:
        if not occupied:
            self._next_tick_s = math.inf
            return
        tick_s = self.behaviour.tick_s
        done = math.floor((self._now_s - self._tick_phase_s) / tick_s)
        self._next_tick_s = self._tick_phase_s + (done + 1) * tick_s

    @property
    def last_seen_s(self) -> float:
        """The moment up to which it has lived."""
        return self._now_s

    def wall_s(self) -> float:
        """By its own clock."""
        return self._now_s + self._wall_offset_s

    def _heard_time(self, answer: Payload | None) -> None:
        if answer is None or not self.behaviour.sets_clock:
            return
        told = wall_of(str(answer.get("currentTime")))
        if told is not None:
            self._wall_offset_s = told - self._now_s

    # ------------------------------------------------------------------ transactions

    def _authorized(self, place: Place, tag: str, answer: Payload | None) -> None:
        if place.asking != tag:
            return
        place.asking = None
        is_accepted = self.behaviour.starts_offline if answer is None else self._dialect.is_accepted(answer)
        if is_accepted and place.outlet.car is not None:
            self._let_in(place, tag)

    def _let_in(self, place: Place, tag: str, *, was_remote: bool = False) -> None:
        if place.transaction is None:
            self._begin(place, tag, is_authorized=True, was_remote=was_remote)
        elif not place.transaction.is_authorized:
            transaction = place.transaction
            transaction.tag, transaction.is_authorized, transaction.was_remote = tag, True, was_remote
            offline = not self.is_online
            said = self._dialect.authorized(transaction, self._state(place), self.wall_s(), offline=offline)
            if said is not None:
                self._keep(said, lambda answer: self._begun(place, transaction, answer))
        else:
            return
        number = place.outlet.number
        place.outlet.allow(self.allowed_a(number), self._now_s)
        place.outlet.close(self._now_s)
        self._plan_tick(True)
        self._tell_state(place)
        self._flush()

    def _begin(self, place: Place, tag: str, *, is_authorized: bool, was_remote: bool = False) -> None:
        transaction = Transaction(
            number=len(self.transactions) + 1,
            connector=place.outlet.number,
            tag=tag,
            began_s=self._now_s,
            started_wall_s=self.wall_s(),
            register_start_kwh=place.outlet.register_kwh,
            transaction_id=self._new_id(),
            is_authorized=is_authorized,
            was_remote=was_remote,
            began_offline=not self.is_online,
        )
        place.transaction, place.is_let_out = transaction, False
        self.transactions.append(transaction)
        place.next_reading_s = self._now_s + self._sample_interval_s
        said = self._dialect.began(transaction, self._state(place), self._samples(place))
        self._keep(said, lambda answer: self._begun(place, transaction, answer))
        self._plan_tick(True)

    def _new_id(self) -> str | None:
        if self._dialect.names_transactions():
            return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        if not self.is_online and self.behaviour.offline_transaction_id is not None:
            return str(self.behaviour.offline_transaction_id)
        return None

    def _begun(self, place: Place, transaction: Transaction, answer: Payload | None) -> None:
        """The other side has taken it: in 1.6 its id is known now."""
        if answer is None:
            return
        given = self._dialect.transaction_id(answer)
        if given is not None:
            transaction.transaction_id = given
        if not self._dialect.is_accepted(answer) and place.transaction is transaction:
            self._end(place, NOT_LET_IN)

    def _end(self, place: Place, reason: str) -> None:
        transaction = place.transaction
        if transaction is None:
            return
        place.outlet.open(self._now_s)
        samples = self._samples(place)
        transaction.ended_wall_s, transaction.reason = self.wall_s(), reason
        transaction.register_end_kwh = place.outlet.register_kwh
        place.transaction, place.next_reading_s, place.is_let_out = None, math.inf, True
        self._profiles.end_transaction(transaction.connector)
        offline = not self.is_online

        def settled(_: Payload | None) -> None:
            transaction.is_settled = True

        self._keep_of(transaction, lambda: self._dialect.ended(transaction, samples, offline=offline), settled)
        self._tell_state(place)

    def _read(self, place: Place) -> None:
        transaction = place.transaction
        if transaction is None:
            place.next_reading_s = math.inf
            return
        place.next_reading_s = self._now_s + self._sample_interval_s
        samples, wall_s, state, offline = self._samples(place), self.wall_s(), self._state(place), not self.is_online

        def make() -> Said:
            return self._dialect.reading(transaction, state, samples, wall_s, offline=offline)

        self._keep_of(transaction, make, lambda _: None, is_reading=True)

    def _samples(self, place: Place) -> list[Sample]:
        return samples_of(place.outlet, self.behaviour, self.allowed_a(place.outlet.number))

    @property
    def _sample_interval_s(self) -> float:
        return float(self._configuration["MeterValueSampleInterval"])

    # ------------------------------------------------------------------ what it says

    def _state(self, place: Place) -> State:
        outlet = place.outlet
        if outlet.car is None:
            return State.AVAILABLE
        if place.transaction is None:
            return State.FINISHING if place.is_let_out else State.PREPARING
        if not place.transaction.is_authorized:
            return State.PREPARING
        if outlet.pilot_a == 0:
            return State.SUSPENDED_EVSE
        return State.CHARGING if outlet.car.wanted_a() else State.SUSPENDED_EV

    def _tell_state(self, place: Place) -> None:
        state = self._state(place)
        if state is place.told or not self.is_online:
            return
        place.told = state
        self._say(self._dialect.status(place.outlet.number, state, self.wall_s()), lambda _: None)
        transaction = place.transaction
        if transaction is not None:
            said = self._dialect.changed(transaction, state, self.wall_s(), offline=False)
            if said is not None:
                self._keep(said, lambda _: None)

    def _tell_all_states(self) -> None:
        if not self._dialect.names_transactions():
            self._say(self._dialect.status(0, State.AVAILABLE, self.wall_s()), lambda _: None)
        for place in self.places.values():
            place.told = None
            self._tell_state(place)

    def _say_boot(self) -> None:
        self._boot_at_s = math.inf
        said = self._dialect.boot(self.identity)
        self._mailbox.put(Call(said.action, lambda: said.payload, self._booted), first=True)

    def _booted(self, answer: Payload | None) -> None:
        if answer is None or answer.get("status") != "Accepted":
            interval_s = (answer or {}).get("interval")
            pause_s = interval_s if isinstance(interval_s, int) and interval_s > 0 else BOOT_PAUSE_S
            self._boot_at_s = self._now_s + pause_s
            return
        self._is_booted = True
        interval_s = answer.get("interval")
        if isinstance(interval_s, int) and interval_s > 0:
            self._heartbeat_s = float(interval_s)
            self._next_heartbeat_s = self._now_s + interval_s * self._rng.uniform(0.5, 1.0)
        self._heard_time(answer)

    def _say(self, said: Said, on_answer: Callable[[Payload | None], None]) -> None:
        """Of now: nobody hears it who is not connected."""
        if self.is_online:
            self._mailbox.put(Call(said.action, lambda: said.payload, on_answer))
            self._flush()
        else:
            on_answer(None)

    def _keep(self, said: Said, on_answer: Callable[[Payload | None], None], *, is_reading: bool = False) -> None:
        """Of a transaction: said until it is taken."""
        self._mailbox.put(Call(said.action, lambda: said.payload, on_answer, is_kept=True, is_reading=is_reading))
        self._flush()

    def _keep_of(
        self,
        transaction: Transaction,
        make: Callable[[], Said],
        on_answer: Callable[[Payload | None], None],
        *,
        is_reading: bool = False,
    ) -> None:
        """The same, made only when it is sent where the transaction's id is not known yet."""
        said = make()
        is_whole = transaction.transaction_id is not None
        payload = (lambda: said.payload) if is_whole else (lambda: make().payload)
        self._mailbox.put(Call(said.action, payload, on_answer, is_kept=True, is_reading=is_reading))
        self._flush()

    def _flush(self) -> None:
        if not self.is_online:
            return
        due = [text for at_s, text in self._answers if at_s <= self._now_s]
        if due:
            self._answers = [each for each in self._answers if each[0] > self._now_s]
            self.outgoing += due
        call = self._mailbox.next_to_send(self._now_s, is_ready=self._is_booted)
        if call is not None:
            if self.behaviour.sends_garbage and self._rng.random() < 0.1:
                self.outgoing.append(self._rng.choice(("{", "[2]", '[2,"x",7,{}]', '[9,"x",{}]', "[3,1,[]]", "hallo")))
            self.outgoing.append(_frame([CALL, call.message_id, call.action, call.payload()]))
            self.counts.sent += 1

    @property
    def kept_messages(self) -> int:
        """Of transactions, not taken yet."""
        return self._mailbox.kept

    @property
    def dropped_messages(self) -> int:
        """Of transactions, given up after three errors: their energy may be lost to the grid."""
        return self._mailbox.dropped

    # ------------------------------------------------------------------ commands

    def set_profile(self, profile: Profile) -> bool:
        self.counts.profiles += 1
        place = self.places.get(profile.connector)
        transaction = None if place is None else place.transaction
        is_there = place is not None or profile.connector == 0
        if not is_there or not self._profiles.takes(profile, transaction):
            return False
        if profile.purpose is Purpose.TX and transaction is not None and transaction.limited_after_s is None:
            transaction.limited_after_s = self._now_s - transaction.began_s
        self._profiles.put(profile)
        return True

    def clear_profiles(
        self, profile_id: int | None, connector: int | None, purpose: Purpose | None, level: int | None
    ) -> int:
        return self._profiles.clear(profile_id, connector, purpose, level)

    def allowed_a(self, connector: int) -> float:
        """What its profiles allow on each phase, the rating included."""
        outlet = self.places[connector].outlet
        charging = sum(place.outlet.is_closed for place in self.places.values())
        found = allowed_a(tuple(self._profiles), connector, self.wall_s(), outlet.voltage_v, outlet.phases, charging)
        return min(outlet.rating_a, found)

    def connectors(self) -> Sequence[int]:
        return list(self.places)

    def remote_start(self, connector: int | None, tag: str) -> bool:
        for place in self.places.values():
            if connector in (None, place.outlet.number) and place.outlet.car and place.transaction is None:
                self._let_in(place, tag, was_remote=True)
                return True
        return False

    def remote_stop(self, transaction_id: str) -> bool:
        for place in self.places.values():
            if place.transaction is not None and place.transaction.transaction_id == transaction_id:
                self._end(place, STOPPED_REMOTELY)
                return True
        return False

    def unlock(self, connector: int) -> bool:
        place = self.places.get(connector)
        if place is None:
            return False
        self._end(place, "UnlockCommand" if not self._dialect.names_transactions() else "Other")
        return True

    def reset(self) -> bool:
        self._reboot_at_s = self._now_s + self.behaviour.answer_delay_s + 1.0
        return True

    def configuration(self) -> Mapping[str, str]:
        return self._configuration

    def configure(self, key: str, value: str) -> bool:
        if key == "MeterValueSampleInterval":
            if not value.isdigit() or int(value) == 0:
                return False
            for place in self.places.values():
                if place.transaction is not None:
                    place.next_reading_s = min(place.next_reading_s, self._now_s + int(value))
        if key == "HeartbeatInterval" and value.isdigit() and int(value):
            self._heartbeat_s = float(value)
        self._configuration[key] = value
        return True

    def trigger(self, message: str, connector: int | None) -> bool:
        places = [place for number, place in self.places.items() if connector in (None, 0, number)]
        if message == "BootNotification":
            self._say_boot()
        elif message == "Heartbeat":
            self._say(self._dialect.heartbeat(), self._heard_time)
        elif message == "StatusNotification":
            for place in places:
                self._say(self._dialect.status(place.outlet.number, self._state(place), self.wall_s()), lambda _: None)
        elif message in ("MeterValues", "TransactionEvent"):
            for place in places:
                self._read(place)
        else:
            return False
        return True


def _frame(parts: list[Any]) -> str:
    return json.dumps(parts, separators=(",", ":"))


def _configuration(behaviour: Behaviour, connectors: int) -> dict[str, str]:
    units = {"A": "Current", "W": "Power"}
    return {
        "HeartbeatInterval": f"{HEARTBEAT_S:.0f}",
        "MeterValueSampleInterval": f"{behaviour.sample_interval_s:.0f}",
        "MeterValuesSampledData": "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage",
        "ConnectionTimeOut": "60",
        "NumberOfConnectors": str(connectors),
        "ChargeProfileMaxStackLevel": str(behaviour.max_stack_level),
        "ChargingScheduleAllowedChargingRateUnit": ",".join(units[unit.value] for unit in behaviour.units),
        "ChargingScheduleMaxPeriods": "8",
        "MaxChargingProfilesInstalled": "16",
        "StopTransactionOnInvalidId": "true",
        "StopTransactionOnEVSideDisconnect": "true",
        "SupportedFeatureProfiles": "Core,RemoteTrigger,SmartCharging",
        "TransactionMessageAttempts": "3",
        "TransactionMessageRetryInterval": f"{behaviour.retry_pause_s:.0f}",
        "WebSocketPingInterval": "0",
    }
