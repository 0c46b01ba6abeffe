"""How far the expected starts of a real substation are off, and what its list costs a request.

make bench-waiting-service

First a substation whose clock runs fast is asked for more than it has, by cars of mix b that come at random: the start
that each car was told when it joined is compared with its start, once with all staying until they are full, and once
with every fifth leaving earlier, which nobody can foresee. Then the CPU of a process by request: with nobody waiting,
and with 20 and 198 waiting beside 20 rigid sessions, in turns.
"""

from __future__ import annotations

import argparse
import heapq
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from random import Random
from statistics import fmean, median

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from bench_ledger import Caller, Calls

from support.grid import sessions
from support.processes import Process

POWERS_KW, SHARES = (3.7, 7.4, 11.0, 22.0, 50.0), (0.25, 0.30, 0.25, 0.15, 0.05)
CAPACITY_KW = 100.0
MEAN_CHARGING_S = 1800.0
TIME_SCALE = 300
CALLS = 60


def body(rng: Random) -> dict[str, object]:
    kw = rng.choices(POWERS_KW, SHARES)[0]
    energy_kwh = kw * rng.uniform(0.2, 1.8) * MEAN_CHARGING_S / 3600
    return {"vehicle_id": "EV-1", "energy_kwh": energy_kwh, "max_power_kw": kw, "min_power_kw": kw}


# ---------------------------------------------------------------------- expected starts


def off_by_s(demand: float, stopping: float, duration_s: float, seed: int) -> tuple[list[float], list[float]]:
    """By how much the starts of those that waited were off what they were told, and how long they waited, grid time."""
    rng = Random(seed)
    mean_kwh = MEAN_CHARGING_S / 3600 * sum(kw * share for kw, share in zip(POWERS_KW, SHARES, strict=True))
    every_s = mean_kwh / (demand * CAPACITY_KW) * 3600 / TIME_SCALE
    told: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        settings = {"capacity_kw": CAPACITY_KW, "time_scale": TIME_SCALE, "log_level": "warning"}
        with Process("substation", Path(folder), name="s0", **settings) as substation:
            stops: list[tuple[float, str]] = []
            begun_s = next_s = time.monotonic()
            while time.monotonic() < begun_s + duration_s:
                time.sleep(max(0.0, next_s - time.monotonic()))
                next_s += rng.expovariate(1 / every_s)
                while stops and stops[0][0] <= time.monotonic():
                    substation.call("DELETE", f"/charge/{heapq.heappop(stops)[1]}")
                reply = substation.call("POST", "/charge", json=body(rng) | {"wait": True})
                if reply.status == 503:
                    continue
                session = reply.json()
                if session["state"] == "Waiting" and session["expected_start"]:
                    told[session["session_id"]] = epoch_s(session["expected_start"])
                if rng.random() < stopping:
                    stays_s = rng.random() * 2 * MEAN_CHARGING_S / TIME_SCALE
                    heapq.heappush(stops, (time.monotonic() + stays_s, session["session_id"]))
            found = {str(each["session_id"]): each for each in sessions(substation)}
    started = {name: found[name] for name in told if found[name]["started_at"]}
    starts_s = {name: epoch_s(str(each["started_at"])) for name, each in started.items()}
    errors_s = [abs(starts_s[name] - told[name]) * TIME_SCALE for name in started]
    waits_s = [(starts_s[name] - epoch_s(str(each["joined_at"]))) * TIME_SCALE for name, each in started.items()]
    return errors_s, waits_s


def epoch_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def report_expected_starts(duration_s: float, seeds: int) -> None:
    print(f"{'early stops':>12} {'waited':>7} {'mean wait':>10} {'off by: median':>15} {'95 %':>8} {'longest':>9}")
    for stopping in (0.0, 0.2):
        with ThreadPoolExecutor(seeds) as threads:
            runs = list(threads.map(lambda seed, share=stopping: off_by_s(1.1, share, duration_s, seed), range(seeds)))
        errors_s = sorted(error for errors, _ in runs for error in errors)
        waits_s = [wait for _, waits in runs for wait in waits]
        high_s = errors_s[int(0.95 * (len(errors_s) - 1))]
        print(
            f"{stopping:12.0%} {len(errors_s):7} {fmean(waits_s):8.0f} s {median(errors_s):13.1f} s {high_s:6.1f} s "
            f"{errors_s[-1]:7.1f} s"
        )


# ---------------------------------------------------------------------- costs


RIGID = {"vehicle_id": "EV-1", "energy_kwh": 500, "max_power_kw": 11, "min_power_kw": 11}
LARGE = RIGID | {"max_power_kw": 30, "min_power_kw": 30}


def fill(substation: Process, waiting: int) -> Caller:
    """20 sessions of 11 kW that leave room for one more of them, and so many that wait for more than there is."""
    caller = Caller(substation)
    for _ in range(20):
        caller.call("POST", "/charge", RIGID)
    for _ in range(waiting):
        caller.call("POST", "/charge", LARGE | {"wait": True})
    return caller


def report_costs() -> None:
    kinds = ("charge", "stop", "join", "look", "forecast", "status")
    counts = (0, 20, 198)
    calls = {count: {kind: Calls() for kind in kinds} for count in counts}
    with ExitStack() as stack:
        callers = {}
        for count in counts:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            settings = {"capacity_kw": 235, "log_level": "warning"}
            substation = stack.enter_context(Process("substation", folder, name="s0", **settings))
            callers[count] = fill(substation, count)
        for _ in range(CALLS):
            for count, caller in callers.items():
                one_round(caller, calls[count])
    print(f"{'waiting':>8}" + "".join(f"{kind:>13}" for kind in kinds) + "   (CPU, median)")
    for count in counts:
        print(f"{count:8}" + "".join(f"{median(calls[count][kind].spent_us):10.0f} µs" for kind in kinds))


def one_round(caller: Caller, calls: dict[str, Calls]) -> None:
    """A small car that is gone soon charges and is stopped; a large one joins, is looked at and stopped; questions."""
    small = RIGID | {"energy_kwh": 0.01}
    session = calls["charge"].measure(caller, "POST", "/charge", small)
    calls["stop"].measure(caller, "DELETE", f"/charge/{session['session_id']}")
    joined = calls["join"].measure(caller, "POST", "/charge", LARGE | {"wait": True})
    calls["look"].measure(caller, "GET", f"/charge/{joined['session_id']}")
    calls["forecast"].measure(caller, "POST", "/forecast", LARGE)
    caller.call("DELETE", f"/charge/{joined['session_id']}")
    calls["status"].measure(caller, "GET", "/status")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--duration", type=float, default=60, help="seconds of a run")
    options.add_argument("--seeds", type=int, default=2, help="substations at once")
    given = options.parse_args()
    report_expected_starts(given.duration, given.seeds)
    print()
    report_costs()


if __name__ == "__main__":
    main()
