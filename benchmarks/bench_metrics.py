"""What a scrape of a balancer costs: `python benchmarks/bench_metrics.py [substations]`."""

from __future__ import annotations

import random
import statistics
import sys
import time

from flask import Flask

from smartgrid.balancer.discovery import Member
from smartgrid.balancer.live_fleet import LiveFleet
from smartgrid.balancer.membership import Membership
from smartgrid.balancer.metrics import BalancerMetrics, FleetCollector, ScalingCollector, SubstationSeries
from smartgrid.balancer.placement.directory import Directory
from smartgrid.balancer.roster import Roster
from smartgrid.balancer.scaling.follower import Scaling
from smartgrid.domain.fleet import Fleet
from smartgrid.domain.routing import make_policy
from smartgrid.domain.status import Status
from smartgrid.web import metrics

SCRAPES = 20
LIMIT_MS = 50


def main(substations: int) -> None:
    app = balancer_app(substations)
    took_ms = [scrape_ms(app) for _ in range(SCRAPES)]
    print(f"GET /metrics, {substations} substations, {SCRAPES} scrapes, CPU time of one:")
    print(f"  median {statistics.median(took_ms):.1f} ms, longest {max(took_ms):.1f} ms (limit {LIMIT_MS} ms)")


def balancer_app(substations: int) -> Flask:
    """An application whose registry is a balancer's with so many substations, all of them seen and used."""
    registry, rng = metrics.registry(), random.Random(1)
    fleet = LiveFleet(Fleet(make_policy("least-loaded", rng), rng, epoch=1))
    counted = BalancerMetrics(registry)
    for number in range(substations):
        name = f"substation-{number}"
        fleet.join(Member(name, f"http://127.0.0.1:{10_000 + number}"))
        substation = fleet.substation(name)
        assert substation is not None
        fleet.saw_status(substation, Status(100, 61.3, 40, 90, 7, number, None, 60))
        counted.decisions.count(name)
    roster = Roster(Membership(fleet, lambda: None), [])
    registry.register(FleetCollector(fleet, roster, Directory(), max_view_age_s=69))
    registry.register(ScalingCollector(Scaling("substation", fleet, set, lambda: None)))
    registry.add_text(SubstationSeries(fleet, counted.decisions).render)
    app = Flask("bench")
    metrics.install(app, registry)
    return app


def scrape_ms(app: Flask) -> float:
    begun_s = time.process_time()
    answer = app.test_client().get("/metrics")
    assert answer.status_code == 200
    return 1000 * (time.process_time() - begun_s)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
