"""What a balancer does for an autoscaler, and to remember sessions: `python benchmarks/bench_scaling.py`."""

from __future__ import annotations

import random
import statistics
import time
import tracemalloc
from collections.abc import Callable

from smartgrid.balancer.discovery import Member
from smartgrid.balancer.last_known import MAX_SESSIONS, LastKnown
from smartgrid.balancer.live_fleet import LiveFleet
from smartgrid.balancer.scaling.emptying import Autoscaler
from smartgrid.balancer.scaling.follower import Scaling
from smartgrid.domain.fleet import Fleet
from smartgrid.domain.routing import make_policy
from smartgrid.domain.status import Status

SIZES = (10, 100, 1_000, 10_000)
TIMES = 15
SESSION = {
    "session_id": "substation-1.abcdefghijklmnopqrstuv", "vehicle_id": "EV-123456", "substation": "substation-1",
    "state": "Charging", "energy_kwh": 40.0, "delivered_kwh": 12.345678, "power_kw": 11.0, "max_power_kw": 11.0,
    "min_power_kw": 4.14, "started_at": "2026-11-26T12:00:00.000Z", "ended_at": None,
    "departure_time": "2026-11-26T18:00:00.000Z", "end_reason": None,
}  # fmt: skip


def main() -> None:
    print("what an autoscaler is told (the whole fleet is looked at), and a look at which substations leave, CPU time:")
    for size in SIZES:
        scaling = scaling_of(size)
        asked_ms, followed_ms = median_ms(scaling.wanted), median_ms(scaling.work)
        print(f"  {size:6,} substations  {asked_ms:7.3f} ms  {followed_ms:7.3f} ms")
    print("what was last known of a session, CPU time:")
    known = filled()
    print(f"  noted     {1000 * median_ms(lambda: known.note(SESSION, None, 0.0)):6.1f} us")
    print(f"  looked up {1000 * median_ms(lambda: known.get(str(SESSION['session_id']), None)):6.1f} us")
    tracemalloc.start()
    kept = filled()
    print(f"  {len(kept):,} sessions take {tracemalloc.get_traced_memory()[0] / 1e6:.1f} MB")


def scaling_of(size: int) -> Scaling:
    """Of a fleet of which the upper half is to leave, and each follows the last one's end at once."""
    rng = random.Random(1)
    fleet = LiveFleet(Fleet(make_policy("least-loaded", rng), rng, epoch=1))
    for number in range(size):
        fleet.join(Member(f"substation-{number}", f"http://127.0.0.1:{10_000 + number}"))
        substation = fleet.substation(f"substation-{number}")
        assert substation is not None
        fleet.saw_status(substation, Status(100, 35, 20, 35, 3, 1, None, 80))
    autoscaler = Autoscaler(target_demand_kw=70, min_replicas=1, max_replicas=size, settle_s=0)
    return Scaling("substation", fleet, set, lambda: None, lambda: autoscaler)


def filled() -> LastKnown:
    known = LastKnown()
    for number in range(MAX_SESSIONS):
        known.note({**SESSION, "session_id": f"substation-{number % 100}.{number:022}"}, "o" * 22, 0.0)
    return known


def median_ms(work: Callable[[], object]) -> float:
    def once() -> float:
        begun_s = time.process_time()
        work()
        return 1000 * (time.process_time() - begun_s)

    return statistics.median(once() for _ in range(TIMES))


if __name__ == "__main__":
    main()
