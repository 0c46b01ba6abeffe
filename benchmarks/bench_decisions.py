"""How long a decision with its reservation, and a status update, take in fleets of 10 to 10,000 substations.

    .venv/bin/python benchmarks/bench_decisions.py [--policy least-loaded] [--seconds 2]

Each fleet is first brought to 85 % demand with rigid cars of mix b (the hard case: with 50 kW cars the scarce places
are looked at in most decisions). Then cars come and go at random; each is placed (`reserve`), admitted (`confirm`
with the substation's new status) and leaves again (`update`).
"""

from __future__ import annotations

import argparse
import gc
import platform
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from smartgrid.domain.fleet import Fleet
from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing import POLICIES, make_policy
from smartgrid.domain.status import Status

POWERS_KW, SHARES = (3.7, 7.4, 11.0, 22.0, 50.0), (0.25, 0.30, 0.25, 0.15, 0.05)
DEMAND = 0.85
CLOCKS_NS = {"wall": time.perf_counter_ns, "cpu": time.thread_time_ns}


@dataclass
class Book:
    """One substation's sessions, as far as its status needs them."""

    capacity_kw: float
    powers: list[PowerRange] = field(default_factory=list)
    revision: int = 0

    def status(self) -> Status:
        self.revision += 1
        committed_kw, demand_kw = sum(p.min_kw for p in self.powers), sum(p.max_kw for p in self.powers)
        room_kw = max(0.0, self.capacity_kw - committed_kw)
        load_kw = min(demand_kw, self.capacity_kw)
        return Status(
            self.capacity_kw,
            load_kw,
            committed_kw,
            demand_kw,
            len(self.powers),
            self.revision,
            1e9 + self.revision,
            room_kw,
        )


class Traffic:
    def __init__(
        self,
        policy: str,
        size: int,
        flexible_share: float,
        seed: int,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.clock_ns = clock_ns
        self.rng = random.Random(seed)
        self.flexible_share = flexible_share
        self.fleet = Fleet(make_policy(policy, self.rng), self.rng, trust_view_s=1e12)
        self.books = {f"substation-{i}": Book(self.rng.uniform(80, 120)) for i in range(size)}
        self.placed: list[tuple[str, PowerRange]] = []
        self.wanted_kw = DEMAND * sum(book.capacity_kw for book in self.books.values())
        self.demand_kw = 0.0
        self.decisions_ns: list[int] = []
        self.confirms_ns: list[int] = []
        self.updates_ns: list[int] = []
        for name, book in self.books.items():
            self.fleet.join(name)
            self.fleet.update(name, book.status(), 0)

    def car(self) -> PowerRange:
        power_kw = self.rng.choices(POWERS_KW, SHARES)[0]
        if self.rng.random() < self.flexible_share:
            return PowerRange(min(power_kw, 4.14), power_kw)
        return PowerRange(power_kw, power_kw)

    def arrive(self) -> None:
        power = self.car()
        start = self.clock_ns()
        reservation = self.fleet.reserve(power, 1.0)
        self.decisions_ns.append(self.clock_ns() - start)
        if reservation is None:
            return
        book = self.books[reservation.name]
        book.powers.append(power)
        self.placed.append((reservation.name, power))
        self.demand_kw += power.max_kw
        status = book.status()
        start = self.clock_ns()
        self.fleet.confirm(reservation, status, 1.0)
        self.confirms_ns.append(self.clock_ns() - start)

    def leave(self) -> None:
        index = self.rng.randrange(len(self.placed))
        self.placed[index], self.placed[-1] = self.placed[-1], self.placed[index]
        name, power = self.placed.pop()
        book = self.books[name]
        book.powers.remove(power)
        self.demand_kw -= power.max_kw
        status = book.status()
        start = self.clock_ns()
        self.fleet.update(name, status, 1.0)
        self.updates_ns.append(self.clock_ns() - start)

    def step(self) -> None:
        if self.demand_kw < self.wanted_kw * self.rng.uniform(0.97, 1.03):
            self.arrive()
        else:
            self.leave()

    def measure(self, seconds: float) -> None:
        while self.demand_kw < 0.97 * self.wanted_kw:
            self.arrive()
        for _ in range(2 * len(self.placed)):
            self.step()
        for times in (self.decisions_ns, self.confirms_ns, self.updates_ns):
            times.clear()
        gc.collect()
        gc.freeze()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            self.step()


def quantile_us(times_ns: list[int], share: float) -> float:
    return sorted(times_ns)[int(share * len(times_ns))] / 1000


def quietest_us(times_ns: list[int], share: float) -> float:
    """The least quantile of ten stretches of the run: what it costs when no one else wants the machine."""
    length = max(1, len(times_ns) // 10)
    return min(quantile_us(times_ns[start : start + length], share) for start in range(0, 10 * length, length))


def loop_ms() -> float:
    """A million additions in a loop: how fast the machine is at the moment."""
    start, total = time.thread_time(), 0
    for number in range(1_000_000):
        total += number
    return 1000 * (time.thread_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--policy", default="least-loaded", choices=list(POLICIES))
    parser.add_argument("--seconds", type=float, default=2.0, help="measured per fleet")
    parser.add_argument("--sizes", default="10,50,1000,10000")
    parser.add_argument("--clock", choices=list(CLOCKS_NS), default="wall", help="cpu: without waiting for a core")
    parser.add_argument("--flexible-share", type=float, default=0.0)
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, policy {options.policy}, {options.clock} time in us")
    print("median / p99 / p99 of the quietest tenth of the run")
    print(f"{'substations':>11} {'decisions':>10} {'decide+reserve':>24} {'confirm':>24} {'update':>24} {'loop ms':>8}")
    for size in map(int, options.sizes.split(",")):
        traffic = Traffic(options.policy, size, options.flexible_share, 1, CLOCKS_NS[options.clock])
        traffic.measure(options.seconds)
        columns = (traffic.decisions_ns, traffic.confirms_ns, traffic.updates_ns)
        cells = (
            f"{quantile_us(times, 0.5):.1f} / {quantile_us(times, 0.99):.1f} / {quietest_us(times, 0.99):.1f}"
            for times in columns
        )
        row = " ".join(f"{cell:>24}" for cell in cells)
        print(f"{size:>11,} {len(traffic.decisions_ns):>10,} {row} {loop_ms():8.0f}", flush=True)


if __name__ == "__main__":
    main()
