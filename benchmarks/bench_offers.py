"""What chargers cost a substation's book: a batch of reports, and an answer to a poll.

    .venv/bin/python benchmarks/bench_offers.py [--rounds 50] [--sizes 20,100,500]

A book in memory, without HTTP and disk, with so many charger sessions at a capacity of half their maximums. A batch is
20 reports with meter values, a third of which confirm a number; then all are shared anew. CPU times, in microseconds,
beside those of a fixed loop in the same run, as the machine is shared.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import time
from collections.abc import Callable
from functools import partial

from smartgrid.domain.charger_sessions import Reading
from smartgrid.domain.held_power import Report
from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.substation import Substation
from smartgrid.runtime.clock import TimeScale
from smartgrid.substation.charger_book import ChargerBook, Reports, SessionReport
from smartgrid.substation.chargers import PlugIn
from smartgrid.substation.limits import Limits

START_S = 1.8e9
BATCH = 20
RANGE = PowerRange(4.14, 22.0)
EDGE = "edge-0/bench"


def a_book(sessions: int) -> ChargerBook:
    book = ChargerBook(
        Substation(max(22.0, 11.0 * sessions), START_S), TimeScale(1.0), Limits(max_active=10**6), START_S
    )
    book.configure(None, START_S)
    for number in range(sessions):
        found = PlugIn(f"CP-{number}", 1, None, EDGE, 22.0, 0.0, 0.0, True, None, 0.0)
        book.plug_in(ChargeRequest(f"EV-{number}", math.inf, RANGE), found, f"key-{number}", (1,), START_S)
        commit(book)
    return book


def commit(book: ChargerBook) -> None:
    if (taken := book.take()) is not None:
        book.written(taken)


def batch(book: ChargerBook, rng: random.Random, now_s: float) -> Reports:
    told = book.told()
    chosen = rng.sample(told.offers, min(BATCH, len(told.offers)))
    said = [
        SessionReport(
            offer.session_id,
            Report(offer.number if rng.random() < 1 / 3 else offer.number - 1, offer.power_kw, 0.0, 22.0),
            Reading(offer.power_kw * rng.uniform(0.7, 1.0), rng.random(), now_s),
        )
        for offer in chosen
    ]
    return Reports(told.epoch, EDGE, 0, None, [], said)


def cpu_us(work: Callable[[], object]) -> float:
    begin_s = time.thread_time()
    work()
    return (time.thread_time() - begin_s) * 1e6


def loop_us() -> float:
    return cpu_us(lambda: sum(number * number for number in range(10_000)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--sizes", default="20,100,500")
    asked = parser.parse_args()
    print("| charger sessions | 20 reports, us | an answer, us | the loop, us |")
    print("|---|---|---|---|")
    for size in map(int, asked.sizes.split(",")):
        rng, book, now_s = random.Random(1), a_book(size), START_S
        reports, answers, loops = [], [], []
        for _ in range(asked.rounds):
            now_s += 1.0
            said = batch(book, rng, now_s)
            reports.append(cpu_us(partial(book.report, said, now_s)))
            answers.append(cpu_us(partial(book.offers, now_s)))
            loops.append(loop_us())
            commit(book)
        shown = [f"{statistics.median(found):,.0f}" for found in (reports, answers, loops)]
        print(f"| {size} | {' | '.join(shown)} |")


if __name__ == "__main__":
    main()
