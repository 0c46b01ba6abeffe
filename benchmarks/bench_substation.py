"""What an event costs a substation with 20 to 100,000 active sessions, beside the plain walk over all of them.

    .venv/bin/python benchmarks/bench_substation.py [--pairs 2000] [--sizes 20,200,2000,20000,100000]

A substation has so many sessions and a capacity half-way between the sums of their minimums and of their maximums, so
that the level lies where many rise. Then cars come and go: a pair is a car that is admitted and the oldest that is
stopped, 0.1 s later. The plain walk shares by `domain.sharing.share_kw` and goes through all sessions for each event.
The last two columns are a checkpoint: `rebase`, and reading what each session has been delivered.
"""

from __future__ import annotations

import argparse
import gc
import platform
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from plain_walk import PlainWalk

from smartgrid.domain.request import ChargeRequest, PowerRange, default_min_power_kw
from smartgrid.domain.substation import Substation

START_S = 1.8e9
POWERS_KW, SHARES = (3.7, 7.4, 11.0, 22.0, 50.0), (0.25, 0.30, 0.25, 0.15, 0.05)
RIGID_SHARE = 0.3
PLAIN_SECONDS = 4.0  # the plain walk is asked no longer than this for each row


def a_common_car(rng: random.Random) -> PowerRange:
    max_kw = rng.choices(POWERS_KW, SHARES)[0]
    return PowerRange(max_kw if rng.random() < RIGID_SHARE else default_min_power_kw(max_kw), max_kw)


def a_car_like_no_other(rng: random.Random) -> PowerRange:
    max_kw = rng.uniform(3, 50)
    return PowerRange(rng.uniform(0.5, max_kw), max_kw)


KINDS: dict[str, Callable[[random.Random], PowerRange]] = {
    "equal": lambda rng: PowerRange(4.14, 11.0),
    "mix b": a_common_car,
    "no two alike": a_car_like_no_other,
}


@dataclass(frozen=True)
class Cars:
    """Those that are there, and those that come."""

    there: list[ChargeRequest]
    coming: list[ChargeRequest]

    @property
    def capacity_kw(self) -> float:
        least_kw = sum(car.power.min_kw for car in self.there)
        most_kw = sum(car.power.max_kw for car in self.there)
        return (least_kw + most_kw) / 2 + POWERS_KW[-1]


def draw_cars(kind: str, there: int, coming: int) -> Cars:
    rng = random.Random(f"{kind} {there}")
    cars = [
        ChargeRequest("EV", rng.uniform(20, 80), KINDS[kind](rng), START_S + 90_000 + 3600 * rng.random())
        for _ in range(there + coming)
    ]
    return Cars(cars[:there], cars[there:])


def filled(cars: Cars) -> Substation:
    substation = Substation(cars.capacity_kw, START_S)
    for number, car in enumerate(cars.there):
        substation.admit(str(number), car, START_S)
    return substation


def filled_plain(cars: Cars) -> PlainWalk:
    substation = PlainWalk(cars.capacity_kw, START_S)
    substation.fill(cars.there)
    return substation


@dataclass(frozen=True)
class Costs:
    pair_us: float
    status_us: float


def come_and_go(substation: Substation | PlainWalk, cars: Cars, longest_s: float) -> Costs:
    """The medians, over as many pairs as there are cars coming, or as fit into `longest_s`."""
    pairs_us, statuses_us, end_s = [], [], time.perf_counter() + longest_s
    for number, car in enumerate(cars.coming):
        start_ns = time.thread_time_ns()
        came = substation.admit(str(len(cars.there) + number), car, START_S + 0.1 * number)
        went = substation.stop(str(number), START_S + 0.1 * number + 0.1)
        middle_ns = time.thread_time_ns()
        substation.status()
        if came and went:  # of few cars, those that are there can be too large for one more
            pairs_us.append((middle_ns - start_ns) / 1000)
            statuses_us.append((time.thread_time_ns() - middle_ns) / 1000)
        if time.perf_counter() > end_s:
            break
    return Costs(statistics.median(pairs_us), statistics.median(statuses_us))


def checkpoint_ms(substation: Substation, now_s: float) -> tuple[float, float]:
    gc.collect()
    gc.freeze()
    start_ns = time.thread_time_ns()
    substation.rebase(now_s)
    middle_ns = time.thread_time_ns()
    delivered_kwh = [session.delivered_kwh for session in substation.active]
    end_ns = time.thread_time_ns()
    assert len(delivered_kwh) == substation.status().active_sessions
    return (middle_ns - start_ns) / 1e6, (end_ns - middle_ns) / 1e6


def row(kind: str, size: int, pairs: int) -> str:
    cars = draw_cars(kind, size, pairs)
    substation, plain = filled(cars), filled_plain(cars)
    gc.collect()
    gc.freeze()  # what is there is not gone through again and again
    ours = come_and_go(substation, cars, longest_s=60)
    theirs = come_and_go(plain, cars, PLAIN_SECONDS)
    rebase_ms, read_ms = checkpoint_ms(substation, START_S + pairs)
    gc.unfreeze()
    return (
        f"{kind:>12} {size:>9,} {ours.pair_us:>9.1f} {theirs.pair_us:>12,.0f} {theirs.pair_us / ours.pair_us:>7,.1f} x "
        f"{ours.status_us:>8.1f} {theirs.status_us:>8.1f} {rebase_ms:>9.1f} {read_ms:>8.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=2000, help="cars that come and go in each row")
    parser.add_argument("--sizes", default="20,200,2000,20000,100000")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, CPU time of one thread: pair and status in us, rebase and read in ms")
    print(f"{'cars':>12} {'sessions':>9} {'pair':>9} {'plain walk':>12} {'ratio':>9} {'status':>8} {'plain':>8} "
          f"{'rebase':>9} {'read':>8}")  # fmt: skip
    for kind in KINDS:
        for size in map(int, options.sizes.split(",")):
            print(row(kind, size, options.pairs), flush=True)


if __name__ == "__main__":
    main()
