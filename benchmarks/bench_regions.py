"""`make bench-regions`: 1,000 substations behind 10 balancers of regions and a balancer before them.

The substations are scripted ones in one process, which speak the whole protocol and answer at once; the balancers are
real processes. Beside it one balancer over all 1,000, on the same stubs, as what the regions are compared with. Each
charge has a fresh key. Afterwards 200 keys are charged and repeated: a repeat must be told of the session it has.

CPU is that of the processes named, for each charge: the balancer in front, the region that takes the car, and what all
the regions do besides, long polls included.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

import load
import real_grid
from bench_keys import stubs

FRONT_PORT, FLAT_PORT, FIRST_REGION_PORT = 18940, 18941, 18950
CAPACITY_KW = 1000.0  # small enough that each car counts, so that they spread over all regions
REPEATED = 200
QUIET_S = 10.0
PATIENT = {"SMARTGRID_ATTEMPT_TIMEOUT_S": "10", "SMARTGRID_REQUEST_TIMEOUT_S": "25", "SMARTGRID_LOG_LEVEL": "error"}


@dataclass(frozen=True)
class Case:
    """What is asked of whom: with `region` each car names one, in turn."""

    name: str
    port: int
    region: bool = False


@contextmanager
def country(listed: Sequence[str], regions: int, folder: Path) -> Iterator[dict[str, int]]:
    """The balancers of the regions, and the one before them; yields their process ids by name."""
    each = -(-len(listed) // regions)
    with ExitStack() as stack:
        pids = dict[str, int]()
        for number in range(regions):
            members = ",".join(listed[number * each : (number + 1) * each])
            settings = {**PATIENT, "SMARTGRID_SUBSTATIONS": members, "SMARTGRID_NAME": f"region-{number}"}
            port = FIRST_REGION_PORT + number
            pids[f"region-{number}"] = stack.enter_context(real_grid.service("balancer", port, settings, folder))
        fleet = ",".join(f"region-{number}=http://127.0.0.1:{FIRST_REGION_PORT + number}" for number in range(regions))
        known = json.dumps([{"name": f"region-{number}"} for number in range(regions)])
        settings = {**PATIENT, "SMARTGRID_SUBSTATIONS": fleet, "SMARTGRID_REGIONS": known}
        pids["front"] = stack.enter_context(real_grid.service("balancer", FRONT_PORT, settings, folder))
        yield pids


def requests(regions: int) -> Callable[[], bytes]:
    """A different car each time with a fresh key; each names a region in turn where there are any to name."""
    numbers, run = itertools.count(), time.time_ns()

    def make() -> bytes:
        number = next(numbers)
        named = b', "region": "region-%d"' % (number % regions) if regions else b""
        body = b'{"vehicle_id": "EV-%08d", "energy_kwh": 10, "max_power_kw": 11, "min_power_kw": 1%s}' % (number, named)
        head = b"POST /charge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        return head + b"Idempotency-Key: %d-%d\r\nContent-Length: %d\r\n\r\n" % (run, number, len(body)) + body

    return make


def measured(case: Case, pids: dict[str, int], regions: int, options: argparse.Namespace) -> str:
    make = requests(regions if case.region else 0)
    load.run(case.port, make, options.connections, 1.0)
    before_s = {name: load.cpu_s(pid) for name, pid in pids.items()}
    found = load.run(case.port, make, options.connections, options.seconds)
    count = len(found.latencies_s)
    cpu_us = {name: 1e6 * (load.cpu_s(pid) - before_s[name]) / count for name, pid in pids.items()}
    first = cpu_us["flat" if case.port == FLAT_PORT else "front"]
    below = sum(used for name, used in cpu_us.items() if name.startswith("region")) if case.port == FRONT_PORT else 0.0
    others = {status: times for status, times in found.statuses.items() if status != 201}
    return (
        f"{case.name:34} {found.rate:9.0f} {found.percentile_ms(0.5):7.1f} {found.percentile_ms(0.99):7.1f} "
        f"{first:10.0f} {below:10.0f} {others or ''!s:>8}"
    )


def quiet(pids: dict[str, int]) -> str:
    """What the balancers use while nothing happens."""
    before_s = {name: load.cpu_s(pid) for name, pid in pids.items()}
    time.sleep(QUIET_S)
    share = {name: 100 * (load.cpu_s(pid) - before_s[name]) / QUIET_S for name, pid in pids.items()}
    regions = [used for name, used in share.items() if name.startswith("region")]
    memory = {name: load.memory_mb(pid) for name, pid in pids.items()}
    most_mb = max(used for name, used in memory.items() if name.startswith("region"))
    return (
        f"quiet: CPU of one core: front {share['front']:.2f} %, a region {sum(regions) / len(regions):.2f} %, "
        f"flat {share['flat']:.2f} %; memory: front {memory['front']:.0f} MB, a region {most_mb:.0f} MB at the most, "
        f"flat {memory['flat']:.0f} MB"
    )


def repeated() -> str:
    """Keys that are charged, and repeated: how many were told of another session, and how many regions have them."""
    run, told = time.time_ns(), dict[str, str]()
    spread, wrong = Counter[str](), 0
    for turn in range(2):
        for number in range(REPEATED):
            key = f"again-{run}-{number}"
            body = json.dumps({"vehicle_id": f"EV-{number}", "energy_kwh": 10}).encode()
            sent = {"Content-Type": "application/json", "Idempotency-Key": key}
            with urlopen(Request(f"http://127.0.0.1:{FRONT_PORT}/charge", body, sent), timeout=30) as answer:
                session = json.load(answer)
            if turn == 0:
                told[key] = session["session_id"]
                spread[session["substation"].split(".")[0]] += 1
            wrong += told[key] != session["session_id"]
    return f"{REPEATED} keys repeated: {wrong} told of another session; they charge in {len(spread)} regions"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--substations", type=int, default=1000)
    parser.add_argument("--regions", type=int, default=10)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{options.substations} substations, {options.regions} regions, {options.connections} connections\n")
    with stubs(options.substations, CAPACITY_KW) as listed, tempfile.TemporaryDirectory() as named:
        folder, begun_s = Path(named), time.monotonic()
        flat = {**PATIENT, "SMARTGRID_SUBSTATIONS": listed}
        with country(listed.split(","), options.regions, folder) as pids, real_grid.service(
            "balancer", FLAT_PORT, flat, folder
        ) as pid:  # fmt: skip
            pids["flat"] = pid
            print(f"all ready after {time.monotonic() - begun_s:.0f} s\n")
            print(
                f"{'':34} {'charges/s':>9} {'p50 ms':>7} {'p99 ms':>7} {'CPU us':>10} {'below us':>10} {'not 201':>8}"
            )
            cases = [
                Case("one balancer over all", FLAT_PORT),
                Case("a balancer of regions", FRONT_PORT),
                Case("the same, each car names a region", FRONT_PORT, region=True),
            ]
            for _ in range(options.rounds):
                for case in cases:
                    print(measured(case, pids, options.regions, options), flush=True)
            print(f"\n{repeated()}\n{quiet(pids)}")


if __name__ == "__main__":
    main()
