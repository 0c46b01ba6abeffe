"""A charger under a ConnectorLimit, in the hands of a test: 32 A of three phases at 230 V, safe at 6 A."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from smartgrid.edge.limits.connector_limit import ConnectorLimit
from smartgrid.edge.limits.pace import Pace
from smartgrid.edge.limits.quirks import DEFAULT, Quirks
from smartgrid.edge.ports import ConnectorSpec, LimitOrder, OcppVersion, Offer, ProfileKind, RateUnit, Reading

SAFE_KW = 4.14  # 6 A
RATING_KW = 22.08
LEASE_S = 900.0


class Charger:
    """One that takes every order and says so, unless told otherwise."""

    def __init__(
        self,
        quirks: Quirks = DEFAULT,
        pace: Pace | None = None,
        safe_a: float = 6.0,
        refuses: Iterable[ProfileKind | RateUnit | float] = (),
    ) -> None:
        self.now_s = 1000.0
        self.pace = pace or Pace()
        self.refuses = set(refuses)
        self.limit = ConnectorLimit(1, ConnectorSpec(), quirks, OcppVersion.V16, self.pace)
        self.answers: bool | None = True
        self.orders: list[LimitOrder] = []
        self.number = 0
        self.limit.fallback(safe_a, self.now_s)
        self.pump()

    def pump(self) -> list[LimitOrder]:
        """What is sent now."""
        new: list[LimitOrder] = []
        while (order := self.limit.next_order(self.now_s)) is not None:
            assert len(new) < 20, "it would write for ever"
            new.append(order)
            self.limit.sent(order, self.now_s)
            self.limit.answered(order, self.answer(order), self.now_s)
        self.orders += new
        return new

    def answer(self, order: LimitOrder) -> bool | None:
        """What it says to an order."""
        return False if {order.kind, order.unit, order.limit} & self.refuses else self.answers

    def car(self, name: str = "7") -> Charger:
        self.limit.begin(name, self.now_s, is_new=True)
        self.pump()
        return self

    def offer(self, kw: float) -> list[LimitOrder]:
        self.number += 1
        return self.renew(kw)

    def renew(self, kw: float) -> list[LimitOrder]:
        self.limit.offered(Offer(self.number, kw, self.now_s + LEASE_S), self.now_s)
        return self.pump()

    def wait(self, seconds: float) -> list[LimitOrder]:
        """Time passes, and whenever it says so it is asked."""
        end_s, new = self.now_s + seconds, list[LimitOrder]()
        while (due_s := self.limit.next_due_s()) <= end_s:
            self.now_s = due_s
            new += self.pump()
        self.now_s = end_s
        return new + self.pump()

    def meter(
        self, amperes: float, phases: int = 3, voltage_v: float = 230.0, offered_a: float | None = None
    ) -> list[LimitOrder]:
        """One reading, of a meter that tells all."""
        currents = tuple(amperes if phase < phases else 0.0 for phase in range(3))
        kw = amperes * phases * voltage_v / 1000
        return self.read(power_kw=kw, currents_a=currents, voltages_v=(voltage_v,) * 3, offered_a=offered_a)

    def read(self, **values: Any) -> list[LimitOrder]:
        """One reading with just these values."""
        due_s = self.limit.next_due_s()
        self.limit.measured(Reading(self.now_s, **values), self.now_s)
        if self.limit.has_news or self.now_s >= due_s:
            return self.pump()
        assert self.limit.next_order(self.now_s) is None, "it says that there is no news"
        return []

    def draw(self, amperes: float, seconds: float, phases: int = 3) -> list[LimitOrder]:
        """It is metered each ten seconds for so long, and the lease is kept up."""
        new: list[LimitOrder] = []
        for _ in range(int(seconds // 10)):
            new += self.wait(10)
            new += self.meter(amperes, phases)
        return new

    def limit_writes(self) -> int:
        return sum(order.duration_s is not None for order in self.orders)

    def kinds(self) -> list[ProfileKind]:
        return [order.kind for order in self.orders]

    @property
    def held_kw(self) -> float:
        return round(self.limit.held_kw(self.now_s), 6)


def limits(orders: list[LimitOrder]) -> list[float]:
    return [order.limit for order in orders]
