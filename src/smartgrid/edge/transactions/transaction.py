"""One charging transaction, and what its meter says of its energy.

Its energy is what the register shows now less what it showed at the start: absolute, so that no message counts twice
and a later one makes up for all that are lost. Registers are of three kinds, told apart by what they show:

* of the meter's life: begins at `start_kwh`, never falls;
* of the session alone: the values are below the start that StartTransaction told, so they are the energy themselves.
  They are from the first on: once a register of the meter's life has counted, a lower value, and a 0 at any time (of a
  meter that has not been read since a reboot), is a fault and says nothing of those that follow;
* of the meter's life, while the start was told as 0: no car takes `MOST_KWH` in one session, so the first such value
  is the start.

Where no start is told (in OCPP 2 it may come without a value), the first value is the start; unless it shows no more
than a car may have taken since, soon after: then it began at 0, and what came before the first value is not lost.

What is told is believed as far as it can have flowed (`energy_bound.py`). Energy never falls. The register at the stop
is the charger's last word: it may still raise what is known of an ended transaction, values that come after may not.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field

from smartgrid.edge.ports import CarState, ChargerId, Heard
from smartgrid.edge.transactions.energy_bound import EnergyBound

MOST_KWH = 1000.0
DRAWN_KWH = 0.02
"""Who has drawn so much is plugged in and charges, whether the charger has said so or not: energy has its session."""
SOON_S, LIKELY_KW = 900.0, 22.0
_ROUNDING_KWH = 0.002
_HIGHEST_ID = 2**31 - 2


def key_of(charger: ChargerId, identity: str) -> str:
    """What names a transaction for ever, from what repeats of its start have in common.

    The substation is in it, as keys are the whole grid's and a charger's name is not.
    """
    return hashlib.sha256(f"{charger.substation}/{charger.charger}|{identity}".encode()).hexdigest()


def number_of(key: str) -> int:
    """The transaction id that 1.6 wants from us: the same for the same key, and never 0."""
    return 1 + int(key[:8], 16) % _HIGHEST_ID


@dataclass(slots=True)
class Transaction:
    """As far as it is known; `transaction_id` is empty where neither side has given one.

    It *begins*, for its substation, once the car is plugged in and may charge, or has drawn energy. `is_closed`: its
    substation has to be told nothing more.
    """

    key: str
    charger: ChargerId
    connector: int
    transaction_id: str
    vehicle_id: str
    started_wall_s: float
    start_kwh: float | None = None
    session_id: str = ""
    is_authorized: bool = True
    is_plugged: bool = True
    is_refused: bool = False
    """By its substation or its id tag, for good: it has no session, and no power."""
    is_orphan: bool = False
    """Only its stop is known: no start can be told."""
    energy_kwh: float | None = None
    measured_wall_s: float | None = None
    is_session_register: bool = False
    seq_no: int = -1
    car: CarState | None = None
    ended_wall_s: float | None = None
    reason: str = ""
    is_end_delivered: bool = False
    told_wall_s: float = 0.0
    """When its substation took the end; not kept."""
    is_presumed_over: bool = False
    """Its charger has not said that it is over, only that there is no car; not kept."""
    changes: int = 0
    kept_changes: int = 0
    """How often there was something to be kept, and how many of these are on the disk; not kept."""
    bound: EnergyBound = field(default_factory=EnergyBound, compare=False)
    disbelieved_kwh: float | None = None
    """What its register told last and cannot be, until that was said; neither is kept."""

    @property
    def is_open(self) -> bool:
        return self.ended_wall_s is None

    @property
    def has_begun(self) -> bool:
        return self.is_authorized and self.is_plugged

    @property
    def wants_start(self) -> bool:
        """Whether its substation has to be told of its start."""
        return self.has_begun and not (self.session_id or self.is_refused or self.is_orphan)

    @property
    def wants_end(self) -> bool:
        """Whether its substation has to be told of its end, which it can be."""
        return not self.is_open and bool(self.session_id) and not self.is_end_delivered

    @property
    def is_closed(self) -> bool:
        if self.is_open:
            return False
        return self.is_end_delivered or self.is_refused or not (self.has_begun or self.session_id)

    @property
    def is_kept(self) -> bool:
        """Whether all that its charger may forget is on the disk."""
        return self.changes == self.kept_changes

    def measure(
        self, register_kwh: float, wall_s: float, heard: Heard | None = None, most_kw: float = math.inf
    ) -> None:
        """The register showed this at that time; in any order, any number of times.

        No more is booked than `most_kw` makes since what was `heard` before.
        """
        if not self.is_open:
            return
        self._count(register_kwh, wall_s, heard, most_kw)
        self.measured_wall_s = max(wall_s, self.measured_wall_s or wall_s)

    def end(
        self,
        wall_s: float,
        reason: str,
        register_kwh: float | None = None,
        heard: Heard | None = None,
        most_kw: float = math.inf,
    ) -> bool:
        """It is over; returns whether that changes anything that its substation should know. Else as `measure`."""
        was_open, known_kwh = self.is_open, self.energy_kwh
        if register_kwh is not None:
            self._count(register_kwh, wall_s, heard, most_kw, is_last=True)
        if was_open:
            self.ended_wall_s, self.reason = wall_s, reason
        is_news = was_open or self.energy_kwh != known_kwh
        self.is_end_delivered = self.is_end_delivered and not is_news
        return is_news

    def started_at(self, start_kwh: float) -> None:
        """What the register showed at the start, learnt after the end of an orphan."""
        last_kwh = self.start_kwh
        self.start_kwh, self.energy_kwh = start_kwh, None
        if last_kwh is not None:
            self._count(last_kwh, self.ended_wall_s or self.started_wall_s, is_last=True)

    def _count(
        self,
        register_kwh: float,
        wall_s: float,
        heard: Heard | None = None,
        most_kw: float = math.inf,
        *,
        is_last: bool = False,
    ) -> None:
        known_kwh = self.energy_kwh or 0.0
        if self.start_kwh is None:
            passed_s = wall_s - self.started_wall_s
            has_begun_at_0 = 0 <= passed_s <= SOON_S and register_kwh <= LIKELY_KW * passed_s / 3600
            self.start_kwh = 0.0 if has_begun_at_0 else register_kwh
        since_kwh = register_kwh - self.start_kwh
        if since_kwh > MOST_KWH:
            self.start_kwh, since_kwh = register_kwh - known_kwh, known_kwh
        is_of_session = since_kwh < -_ROUNDING_KWH or (
            self.is_session_register and not (is_last and since_kwh >= known_kwh - _ROUNDING_KWH)
        )
        if is_of_session and not is_last and register_kwh > 0 and known_kwh <= _ROUNDING_KWH:
            self.is_session_register = True
        energy_kwh = register_kwh if is_of_session else max(0.0, since_kwh)
        if energy_kwh <= MOST_KWH:
            self.energy_kwh = self.bound.believe(energy_kwh, known_kwh, heard, most_kw)
            if self.energy_kwh < energy_kwh - _ROUNDING_KWH:
                self.disbelieved_kwh = energy_kwh
        if energy_kwh >= DRAWN_KWH:
            self.is_authorized = self.is_plugged = True
