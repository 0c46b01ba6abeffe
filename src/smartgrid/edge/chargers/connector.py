"""One connector (an EVSE, in 2.x): what its charger says of it, its limit, and what its substation was told."""

from __future__ import annotations

import math

from smartgrid.edge.limits.connector_limit import ConnectorLimit
from smartgrid.edge.messages.values import CAR_OF_STATUS, ConnectorStatus
from smartgrid.edge.ports import CarState, ConnectorSpec, Obedience, Offer, Reading, SessionReport
from smartgrid.edge.transactions.transaction import Transaction

NOMINAL_V = 230.0
LEAST_A = 6.0
FRESH_S = 300.0
"""How long a reading says what is drawn now."""
LEAST_BETWEEN_S, MOST_BETWEEN_S = 10.0, 900.0
"""Of two readings of a register, to tell the power from them."""


class Connector:
    """`limit` is None until its charger has connected, `transaction` the one whose car is there now."""

    __slots__ = (
        "car",
        "fallback_a",
        "is_known",
        "is_stopping",
        "last_energy",
        "limit",
        "limit_for",
        "newcomer",
        "number",
        "offer",
        "position",
        "reading",
        "reading_s",
        "report",
        "report_s",
        "settle_s",
        "spec",
        "status",
        "status_wall_s",
        "stop_s",
        "stop_tries",
        "unanswered",
        "vacant_s",
        "wake_s",
        "was_ours",
    )

    def __init__(self, number: int, spec: ConnectorSpec) -> None:
        self.number, self.spec = number, spec
        self.status = ConnectorStatus.UNKNOWN
        self.status_wall_s = -math.inf
        self.car: CarState | None = None
        self.limit: ConnectorLimit | None = None
        self.fallback_a: float | None = None
        """The safe current that it is to have."""
        self.limit_for: Transaction | None = None
        """The transaction that the limit has begun for."""
        self.unanswered: Transaction | None = None
        """One whose start has no answer yet: no profile may name it."""
        self.newcomer: Transaction | None = None
        """One whose car has come just now: no earlier profile can be its."""
        self.offer: Offer | None = None
        self.position: int | None = None
        self.reading: Reading | None = None
        self.reading_s = -math.inf
        self.last_energy: tuple[float, float] | None = None
        self.report: SessionReport | None = None
        self.report_s = -math.inf
        self.vacant_s = math.inf
        """When a transaction that is open without a car will be taken as over."""
        self.settle_s = -math.inf
        """Until then a start from a queue may yet be followed by its stop."""
        self.stop_s = math.inf
        """When to ask the charger (again) to stop the transaction."""
        self.stop_tries = 0
        self.wake_s = math.inf
        self.is_stopping = False
        self.is_known = False
        """Whether it is known what limit its charger has: not before it has confirmed one on this connection, as it may
        have been at another edge."""
        self.was_ours = False

    @property
    def rating_kw(self) -> float:
        return kw_of(self.spec.rating_a, self.spec.phases)

    @property
    def arrival_kw(self) -> float:
        """The most that a car draws here before it has a session: by the safe current, planned or still in force."""
        if self.limit is None or (self.limit.is_controlled and self.limit.fallback_kw >= self.limit.rating_kw):
            return self.planned_kw  # no car is let in before the safe current is confirmed
        return max(self.planned_kw, self.limit.fallback_kw)

    @property
    def planned_kw(self) -> float:
        """What its safe current lets flow, once its charger has it."""
        return kw_of(self.fallback_a or 0.0, self.spec.phases)

    @property
    def still_a(self) -> float:
        """The highest current that may stand at the charger as its safe one."""
        return 0.0 if self.limit is None else 1000 * self.limit.fallback_kw / (NOMINAL_V * self.spec.phases)

    @property
    def least_kw(self) -> float:
        """What a car needs to charge at all."""
        return min(self.rating_kw, kw_of(LEAST_A, self.spec.phases))

    def is_free(self, transaction: Transaction | None) -> bool:
        """Whether a car can plug in, as far as the charger says."""
        return transaction is None and self.status is ConnectorStatus.AVAILABLE

    def told_status(self, status: ConnectorStatus, wall_s: float) -> bool:
        """Returns whether it is news; what is older than the last is not."""
        if wall_s < self.status_wall_s:
            return False
        is_news = status is not self.status
        self.status, self.status_wall_s = status, wall_s
        self.car = CAR_OF_STATUS.get(status, self.car if status is ConnectorStatus.OCCUPIED else None)
        return is_news

    def measured(self, reading: Reading, now_s: float) -> Reading:
        """Take a live reading; returns it with the power that the register shows, if it has none of its own."""
        if reading.power_kw is None and reading.energy_kwh is not None:
            reading = self._with_power(reading)
        if reading.energy_kwh is not None:
            before = self.last_energy
            if before is None or reading.wall_s - before[0] >= LEAST_BETWEEN_S or reading.energy_kwh < before[1]:
                self.last_energy = reading.wall_s, reading.energy_kwh
        self.reading, self.reading_s = reading, now_s
        return reading

    def power_kw(self, now_s: float) -> float | None:
        """What is drawn now, if the meter has said so lately."""
        if self.reading is None or now_s - self.reading_s > FRESH_S:
            return None
        return self.reading.power_kw

    def reconnected(self, now_s: float, *, may_have_been_elsewhere: bool) -> None:
        """Its charger is here again; another edge may have told it something since, and it counts as ours anew."""
        self.offer, self.was_ours = None, False
        self.is_known = self.is_known and not may_have_been_elsewhere
        if self.limit is not None:
            self.limit.reconnected(now_s)

    def no_transaction(self) -> None:
        """What was of the last one is over."""
        self.offer = self.report = self.position = self.last_energy = None
        self.vacant_s = self.stop_s = math.inf
        self.settle_s = -math.inf
        self.stop_tries = 0
        self.is_stopping = self.was_ours = False

    @property
    def obedience(self) -> Obedience:
        return Obedience.UNKNOWN if self.limit is None else self.limit.obedience

    def _with_power(self, reading: Reading) -> Reading:
        if self.last_energy is None or reading.energy_kwh is None:
            return reading
        before_s, before_kwh = self.last_energy
        passed_s = reading.wall_s - before_s
        if not LEAST_BETWEEN_S <= passed_s <= MOST_BETWEEN_S or reading.energy_kwh < before_kwh:
            return reading
        power_kw = (reading.energy_kwh - before_kwh) / passed_s * 3600
        return Reading(
            reading.wall_s,
            reading.energy_kwh,
            power_kw,
            reading.currents_a,
            reading.voltages_v,
            reading.offered_a,
            reading.is_late,
        )


def kw_of(current_a: float, phases: int) -> float:
    """What a current on so many phases is, at the nominal voltage."""
    return current_a * NOMINAL_V * phases / 1000
