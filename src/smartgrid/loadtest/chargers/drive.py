"""Plays a plan: chargers connect, cars come and go, and all is watched until the last message has been taken.

The chargers live in the loop of a `Street`, which is told the whole plan beforehand, so that nothing waits for this
thread: it only looks, shows, and asks the grid for its capacities now and then, as they may be changed during the run.
Of several capacities the greatest counts, so a cut while the run goes on is no overload.

In the end all cars leave, and the run is over when every charger's messages of transactions are taken, or after a
minute: only then sessions and registers can be compared, car by car.
"""

from __future__ import annotations

import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import FrameType
from typing import TextIO

from smartgrid.chargersim.behaviour import FAULTLESS, Behaviour, behaving
from smartgrid.chargersim.car import Car
from smartgrid.chargersim.dialect import Dialect
from smartgrid.chargersim.dialect_16 import Dialect16
from smartgrid.chargersim.dialect_201 import Dialect201
from smartgrid.chargersim.street import Handle, Street
from smartgrid.loadtest.chargers.grid import GridView, NoAnswerError
from smartgrid.loadtest.chargers.plan import SAMPLE_INTERVAL_S, ChargerSettings, PlannedCharger, Visit, planned
from smartgrid.loadtest.chargers.reach import why_not
from smartgrid.loadtest.chargers.report import CarSeen, ChargerRun, SessionSeen

SETTLE_TIMEOUT_S = 60.0
SETTLED_S = 3.0
"""What the edge has taken is at the substation some moments later."""
LIVE_INTERVAL_S, PLAIN_INTERVAL_S = 0.5, 5.0
TICK_S = 5.0
DIALECTS: dict[str, type[Dialect16] | type[Dialect201]] = {"1.6": Dialect16, "2.0.1": Dialect201}


class NotLetInError(Exception):
    """The edge does not take the chargers; the message is a sentence."""


def drive_chargers(
    settings: ChargerSettings, grid: GridView, capacities_kw: dict[str, float], out: TextIO
) -> tuple[ChargerRun, int | None]:
    """Run it; the second is the signal that has ended it early. `capacities_kw` names the substations.

    Raises NotLetInError before anything has begun.
    """
    return _Drive(settings, grid, capacities_kw, out).run()


class _Drive:
    def __init__(self, settings: ChargerSettings, grid: GridView, capacities_kw: dict[str, float], out: TextIO) -> None:
        self._settings, self._grid, self._capacities_kw, self._out = settings, grid, capacities_kw, out
        self._plan = planned(settings, list(capacities_kw), f"L{secrets.token_hex(2)}")
        self._stop = threading.Event()
        self._stopped_by: int | None = None
        self._is_live = out.isatty()
        self._street = Street(f"{settings.edge}/ocpp", keeps_history=False, seed=settings.seed)

    def run(self) -> tuple[ChargerRun, int | None]:
        if (refusal := why_not(self._settings.edge, self._plan[0].substation, self._plan[0].name)) is not None:
            raise NotLetInError(refusal)
        started_at, begun_s = datetime.now(UTC), time.monotonic()
        with self._street, self._signals():
            handles = [(planned, self._add(planned)) for planned in self._plan]
            self._street.call(lambda: self._schedule(handles))
            self._watch(begun_s)
            duration_s = time.monotonic() - begun_s
            connected = sum(handle.is_connected for _, handle in handles)
            messages = (
                sum(h.charger.counts.sent for _, h in handles),
                sum(h.charger.counts.received for _, h in handles),
            )
            self._let_all_leave([handle for _, handle in handles])
            sessions, problem = self._sessions()
        run = ChargerRun(
            started_at=started_at,
            duration_s=duration_s,
            cars=[car for planned, handle in handles for car in _cars(planned, handle)],
            sessions=sessions,
            most_kw={name: busbar.most_kw for name, busbar in self._street.busbars.items()},
            capacities_kw=self._capacities_kw,
            connected=connected,
            messages_out=messages[0],
            messages_in=messages[1],
            profiles=sum(handle.charger.counts.profiles for _, handle in handles),
            connections=sum(handle.line.connections for _, handle in handles),
            refused=sum((Counter(handle.line.refusals) for _, handle in handles), Counter()),
            dropped_messages=sum(handle.charger.dropped_messages for _, handle in handles),
            kept_messages=sum(handle.charger.kept_messages for _, handle in handles),
            problem=problem,
        )
        return run, self._stopped_by

    def _add(self, charger: PlannedCharger) -> Handle:
        dialect: Dialect = DIALECTS[charger.version]()
        return self._street.add(
            charger.substation,
            charger.name,
            dialect,
            _behaviour(charger),
            phases=charger.phases,
            connects=False,
            keeps_commands=False,
        )

    def _schedule(self, handles: Sequence[tuple[PlannedCharger, Handle]]) -> None:
        for charger, handle in handles:
            self._street.later(charger.connects_s, handle.line.connect)
            for visit in charger.visits:
                self._street.later(visit.at_s, partial(_plug, handle, visit))
                self._street.later(visit.until_s, handle.unplug)

    def _watch(self, begun_s: float) -> None:
        """Until the last car has left, or a signal comes."""
        interval_s = LIVE_INTERVAL_S if self._is_live else PLAIN_INTERVAL_S
        while (elapsed_s := time.monotonic() - begun_s) < self._settings.duration_s:
            if self._stop.wait(min(interval_s, self._settings.duration_s - elapsed_s)):
                break
            self._note_capacities()
            self._show(time.monotonic() - begun_s)
        if self._is_live:
            self._out.write("\n")

    def _note_capacities(self) -> None:
        try:
            for name, capacity_kw in self._grid.capacities_kw().items():
                self._capacities_kw[name] = max(capacity_kw, self._capacities_kw.get(name, 0.0))
        except NoAnswerError:
            pass  # those that are known go on to count

    def _show(self, elapsed_s: float) -> None:
        handles = list(self._street.handles.values())
        charging = sum(handle.power_kw > 0 for handle in handles)
        drawn_kw = sum(busbar.power_kw for busbar in self._street.busbars.values())
        online = sum(handle.is_connected for handle in handles)
        line = f"{elapsed_s:5.0f} s  {online}/{len(handles)} connected, {charging} charging, {drawn_kw:.1f} kW"
        self._out.write(f"\r\x1b[K{line}" if self._is_live else f"{line}\n")
        self._out.flush()

    def _let_all_leave(self, handles: Sequence[Handle]) -> None:
        for handle in handles:
            self._street.soon(handle.unplug)
        end_s = time.monotonic() + SETTLE_TIMEOUT_S
        while time.monotonic() < end_s and any(h.charger.kept_messages for h in handles if h.line.connections):
            time.sleep(0.1)
        time.sleep(SETTLED_S)

    def _sessions(self) -> tuple[list[SessionSeen], str | None]:
        try:
            return list(self._grid.sessions()), None
        except NoAnswerError as problem:
            return [], str(problem)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """The first Ctrl-C or SIGTERM ends the run in order."""

        def stop(number: int, _: FrameType | None) -> None:
            self._stopped_by = number
            self._stop.set()
            for each, handler in before.items():
                signal.signal(each, handler)

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _behaviour(charger: PlannedCharger) -> Behaviour:
    base = replace(FAULTLESS, tick_s=TICK_S, sample_interval_s=SAMPLE_INTERVAL_S)
    return behaving(charger.faults, base)


def _plug(handle: Handle, visit: Visit) -> None:
    car = Car(visit.battery_kwh, visit.energy_kwh, visit.current_a, visit.phases)
    handle.plug(car, tag=visit.tag)


def _cars(charger: PlannedCharger, handle: Handle) -> Iterator[CarSeen]:
    """Of the visits that have begun: what its charger knows of each."""
    transactions = {each.tag: each for each in handle.charger.transactions}
    now_s = handle.charger.last_seen_s
    for visit in charger.visits:
        if visit.at_s > now_s:
            break
        transaction = transactions.get(visit.tag)
        yield CarSeen(
            tag=visit.tag,
            substation=charger.substation,
            energy_kwh=transaction.energy_kwh if transaction else None,
            limited_after_s=transaction.limited_after_s if transaction else None,
            is_settled=bool(transaction and transaction.is_settled),
        )
