"""What it costs to know where the next car would wait least, in fleets of 10 to 10,000 substations.

    .venv/bin/python benchmarks/bench_backlogs.py

What every status costs more (`note`), whether anyone waits or not; and what a car that waits costs (`ask`): one that
comes after so many members have changed, of which the first one after a quiet time pays for all. Beside it the plain
walk over all members that it replaces. CPU times, the median of many.
"""

from __future__ import annotations

import heapq
import math
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

from smartgrid.domain.backlogs import Backlogs
from smartgrid.domain.belief import Belief
from smartgrid.domain.request import PowerRange
from smartgrid.domain.status import Status

SIZES = (10, 100, 1_000, 10_000)
POWER = PowerRange(11, 11)
ASKED = 5


def status(rng: random.Random) -> Status:
    capacity_kw, waiting = rng.uniform(80, 120), rng.randrange(20)
    return Status(
        capacity_kw,
        capacity_kw,
        capacity_kw,
        capacity_kw,
        9,
        1,
        rng.uniform(0, 600),
        0.0,
        waiting_sessions=waiting,
        waiting_kw=11.0 * waiting,
        waiting_kwh=12.5 * waiting,
    )


def plain_walk(beliefs: list[Belief]) -> list[str]:
    def place(belief: Belief) -> tuple[float, float]:
        known = belief.status
        if known is None or not belief.in_rotation or known.draining or known.capacity_kw < POWER.min_kw:
            return math.inf, math.inf
        return known.waiting_kwh / known.capacity_kw, known.next_release_s or math.inf

    return [each.name for each in heapq.nsmallest(ASKED, beliefs, key=place)]


def cost_us(work: Callable[[], object], prepare: Callable[[], object], times: int) -> float:
    found = []
    for _ in range(times):
        prepare()
        begun_ns = time.thread_time_ns()
        work()
        found.append(time.thread_time_ns() - begun_ns)
    return statistics.median(found) / 1000


def measure(size: int) -> str:
    rng = random.Random(size)
    beliefs = [Belief(f"substation-{i}", i) for i in range(size)]
    backlogs = Backlogs()
    for belief in beliefs:
        belief.status = status(rng)
        backlogs.note(belief)

    def change(number: int) -> None:
        for belief in rng.sample(beliefs, min(number, size)):
            known = belief.status
            assert known is not None
            belief.status = replace(known, waiting_kwh=rng.uniform(0, 250), next_release_s=rng.uniform(0, 600))
            backlogs.note(belief)

    def ask() -> None:
        backlogs.shortest(POWER, ASKED)

    begun_ns = time.thread_time_ns()
    ask()
    first_us = (time.thread_time_ns() - begun_ns) / 1000
    after_us = [cost_us(ask, lambda n=number: change(n), 200) for number in (1, 10, 100)]
    noted = beliefs * (100_000 // size)
    begun_ns = time.thread_time_ns()
    for belief in noted:
        backlogs.note(belief)
    note_us = (time.thread_time_ns() - begun_ns) / 1000 / len(noted)
    walk_us = cost_us(lambda: plain_walk(beliefs), lambda: None, 20)
    asks = " | ".join(f"{each:7.0f}" for each in after_us)
    return f"| {size:6,} | {note_us:5.2f} | {asks} | {first_us:9,.0f} | {walk_us:8,.0f} |"


def main() -> None:
    print("| members | note | ask after 1 | after 10 | after 100 | ask after all | plain walk |   (µs)")
    for size in SIZES:
        print(measure(size))


if __name__ == "__main__":
    main()
