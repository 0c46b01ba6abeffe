"""What a waiting list costs its substation: an event, and the expected starts of all, by rule and size.

make bench-waiting
"""

from __future__ import annotations

import argparse
import statistics
from random import Random
from time import process_time_ns

from smartgrid.domain.request import ChargeRequest, PowerRange, default_min_power_kw
from smartgrid.domain.substation import Substation
from smartgrid.domain.waiting_list import RULES, WaitingCar, WaitingList

POWERS_KW, SHARES = (3.7, 7.4, 11.0, 22.0, 50.0), (0.25, 0.30, 0.25, 0.15, 0.05)
FLEXIBLE_SHARES = {"rigid": 0.0, "half flexible": 0.5, "flexible": 1.0}


def a_request(rng: Random, name: str, now_s: float, flexible_share: float) -> ChargeRequest:
    max_kw = rng.choices(POWERS_KW, SHARES)[0]
    charging_s = rng.lognormvariate(8.0, 0.75)
    min_kw = default_min_power_kw(max_kw) if rng.random() < flexible_share else max_kw
    return ChargeRequest(name, max_kw * charging_s / 3600, PowerRange(min_kw, max_kw), now_s + 6 * charging_s)


def full(rule: str, sessions: int, waiting: int, flexible_share: float, seed: int) -> tuple[Substation, WaitingList]:
    """A substation that so many sessions fill, and its list, after a while of running at these numbers."""
    rng = Random(seed)
    mean_min_kw = statistics.fmean(a_request(rng, "", 0, flexible_share).power.min_kw for _ in range(2000))
    substation, line = Substation(sessions * mean_min_kw, 0.0), WaitingList(RULES[rule])
    for number in range(10 * (sessions + waiting)):
        if len(line) == waiting:
            break
        car = WaitingCar(f"c{number}", a_request(rng, f"c{number}", 0.0, flexible_share), 0.0)
        line.join(car, substation)
    return substation, line


def cpu_us(rule: str, sessions: int, waiting: int, flexible_share: float, events: int) -> tuple[float, float, float]:
    """CPU µs: an event without anyone waiting, with, and the expected starts of all."""
    substation, line = full(rule, sessions, waiting, flexible_share, 1)
    rng = Random(2)
    bare = timed(substation.copy(), WaitingList(RULES[rule]), events)
    copies_ns = []
    for _ in range(3):
        began = process_time_ns()
        line.expected_starts_s(substation)
        copies_ns.append(process_time_ns() - began)
    with_list_ns = []
    for number in range(events):
        due_s = line.next_event_s(substation)
        assert due_s is not None
        began = process_time_ns()
        line.advance(substation, due_s)
        with_list_ns.append(process_time_ns() - began)
        while len(line) < waiting:
            name = f"n{number}.{len(line)}.{rng.random()}"
            request = a_request(rng, name, substation.now_s, flexible_share)
            line.join(WaitingCar(name, request, substation.now_s), substation)
    return bare, statistics.fmean(with_list_ns) / 1000, min(copies_ns) / 1000


def timed(substation: Substation, line: WaitingList, events: int) -> float:
    taken_ns = []
    for _ in range(events):
        due_s = line.next_event_s(substation)
        if due_s is None:
            break
        began = process_time_ns()
        line.advance(substation, due_s)
        taken_ns.append(process_time_ns() - began)
    return statistics.fmean(taken_ns) / 1000


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sizes", default="20,200", help="sessions, and as many waiting")
    options.add_argument("--events", type=int, default=100)
    options.add_argument("--rules", default=",".join(RULES))
    given = options.parse_args()
    headings = f"{'event alone':>15}{'with list':>12}{'expected starts':>18}"
    print(f"{'rule':15}{'cars':14}{'sessions':>9}{'waiting':>8}{headings}")
    sizes = [int(size) for size in given.sizes.split(",")]
    for rule in given.rules.split(","):
        for cars, share in FLEXIBLE_SHARES.items():
            for sessions in sizes:
                for waiting in sizes:
                    bare, event, starts = cpu_us(rule, sessions, waiting, share, given.events)
                    times = f"{bare:12.0f} µs{event:9.0f} µs{starts / 1000:15.1f} ms"
                    print(f"{rule:15}{cars:14}{sessions:9}{waiting:8}{times}", flush=True)


if __name__ == "__main__":
    main()
