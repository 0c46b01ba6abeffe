"""A `SubstationGrid` on an event loop of its own, and what it tells."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from smartgrid.auth.credentials import Credentials
from smartgrid.edge.grid.directory import Directory
from smartgrid.edge.grid.grid import SubstationGrid
from smartgrid.edge.ports import ChargerId, EndOrder, Offers, SessionReport, StartOrder
from smartgrid.runtime.event_loop import EventLoop
from smartgrid.runtime.settings import CallingSettings
from support.processes import wait_until

LONGEST_S = 30.0
T = TypeVar("T")


@dataclass
class Heard:
    """What a `Downward` is told, in order."""

    offers: list[Offers] = field(default_factory=list)
    lost: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    on_offers: Callable[[Offers], None] = lambda _offers: None

    def offered(self, offers: Offers) -> None:
        self.offers.append(offers)
        self.on_offers(offers)

    def gone(self, substation: str, session_ids: Sequence[str]) -> None:
        self.lost.append((substation, tuple(session_ids)))

    def of(self, substation: str) -> list[Offers]:
        return [each for each in self.offers if each.substation == substation]


@dataclass
class Running:
    """A grid that runs; `do` calls it on its loop, as its users do."""

    loop: EventLoop
    grid: SubstationGrid
    directory: Directory
    heard: Heard

    def do(self, work: Callable[..., T], *args: Any) -> T:
        async def call() -> T:
            return work(*args)

        return self.loop.run(call(), LONGEST_S)

    def watch(self, substation: str = "s0") -> None:
        self.do(self.grid.watch, substation)

    def report(self, report: SessionReport, substation: str = "s0") -> None:
        self.do(self.grid.report, substation, report)

    def start(self, order: StartOrder) -> list[tuple[Any, ...]]:
        """The results, of which there is to be one in the end."""
        results: list[tuple[Any, ...]] = []
        self.do(self.grid.start, order, lambda *result: results.append(result))
        return results

    def end(self, order: EndOrder) -> list[tuple[Any, ...]]:
        results: list[tuple[Any, ...]] = []
        self.do(self.grid.end, order, lambda *result: results.append(result))
        return results

    def started(self, order: StartOrder) -> tuple[Any, ...]:
        return the_only(self.start(order))

    def ended(self, order: EndOrder) -> tuple[Any, ...]:
        return the_only(self.end(order))

    def wait_offers(self, times: int = 1, substation: str = "s0") -> Offers:
        wait_until(lambda: len(self.heard.of(substation)) >= times, LONGEST_S, f"{times} offers of {substation}")
        return self.heard.of(substation)[-1]

    def reports(self, result: str) -> int:
        return self.grid.counters.reports[result]


def the_only(results: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    wait_until(lambda: bool(results), LONGEST_S, "the order has an end")
    time.sleep(0.05)  # a second call would come now
    assert len(results) == 1
    return results[0]


@contextmanager
def running(
    fixed: Mapping[str, str] = {}, *, balancer_url: str = "http://127.0.0.1:1", data_dir: Path | None = None
) -> Iterator[Running]:
    loop = EventLoop("edge")
    with loop:

        async def make() -> Running:
            credentials = Credentials(CallingSettings())
            directory = Directory(fixed, balancer_url, credentials, data_dir)
            grid, heard = SubstationGrid("edge-0", directory, credentials), Heard()
            grid.begin(heard)
            return Running(loop, grid, directory, heard)

        made = loop.run(make(), LONGEST_S)
        try:
            yield made
        finally:
            loop.run(made.grid.close(), LONGEST_S)


def report(session_id: str = "s-1", number: int = 1, held_kw: float | None = 11.0, **changes: Any) -> SessionReport:
    values = {"fallback_kw": 4.14, "rating_kw": 22.0, **changes}
    return SessionReport(session_id, number, held_kw, **values)


def start_order(key: str = "k1", **changes: Any) -> StartOrder:
    values: dict[str, Any] = {
        "charger": ChargerId("s0", "CP-1"),
        "connector": 1,
        "transaction_id": "77",
        "vehicle_id": "TAG-1",
        "min_power_kw": 4.14,
        "max_power_kw": 22.0,
        "rating_kw": 22.0,
        "fallback_kw": 4.14,
        "held_kw": 4.14,
        "started_wall_s": 1_800_000_000.0,
        "meter_kwh": 12.5,
        **changes,
    }
    return StartOrder(key, **values)


def end_order(key: str = "k1", session_id: str | None = "s-1", **changes: Any) -> EndOrder:
    values: dict[str, Any] = {"energy_kwh": 7.5, "ended_wall_s": 1_800_003_600.0, "reason": "EVDisconnected", **changes}
    return EndOrder(key, ChargerId("s0", "CP-1"), session_id, **values)
