"""The balancer's metrics."""

from __future__ import annotations

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from smartgrid.balancer.grid import Grid, Seen
from smartgrid.balancer.roster import Roster
from smartgrid.balancer.voids import Voids
from smartgrid.domain.status import Status
from smartgrid.service.metrics import LATENCY_BUCKETS_S


class BalancerMetrics:
    """What is counted as it happens."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "load_balancer_requests", "Cars to be placed, by result.", ["result"], registry=registry
        )
        self.decisions = Counter(
            "routing_decisions", "Cars admitted, by the substation that took them.", ["substation"], registry=registry
        )
        self.rejections = Counter(
            "load_balancer_rejections", "Cars that were not placed, by reason.", ["reason"], registry=registry
        )
        self.decision_s = Histogram(
            "decision_duration_seconds",
            "Time to place a car, all attempts included.",
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.poll_s = Histogram(
            "polling_duration_seconds",
            "Duration of polls of a substation.",
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        for result in ("admitted", "replayed", "rejected", "failed"):
            self.requests.labels(result)

    def forget_absent(self, present: Iterable[str]) -> None:
        """Drop the series of substations that have left."""
        counted = {sample.labels["substation"] for metric in self.decisions.collect() for sample in metric.samples}
        for name in counted.difference(present):
            self.decisions.remove(name)


class FleetCollector(Collector):
    """Gauges straight from the view of the fleet: a substation that has left has no series."""

    def __init__(self, grid: Grid, roster: Roster, voids: Voids) -> None:
        self._grid, self._roster, self._voids = grid, roster, voids

    def collect(self) -> Iterable[Metric]:
        seen, now_s = self._grid.seen(), time.monotonic()
        yield GaugeMetricFamily("fleet_size", "Substations that the balancer knows.", len(seen))
        yield GaugeMetricFamily(
            "pending_voids", "Attempts with an unknown outcome, still to be voided.", self._voids.pending()
        )
        yield _by_substation("substation_in_rotation", "Whether the substation may get cars.", _in_rotation(seen))
        known = [(each.member.name, each.view.status) for each in seen if each.view.status is not None]
        yield _by_substation(
            "substation_load_percentage", "Power given, in % of capacity.", ((n, s.load_percentage) for n, s in known)
        )
        yield _by_substation(
            "substation_committed_percentage",
            "Guaranteed minimums, in % of capacity.",
            ((n, _committed(s)) for n, s in known),
        )
        yield _by_substation("fleet_view_age_seconds", "Time since the substation's last answer.", _ages_s(seen, now_s))
        ages = GaugeMetricFamily(
            "discovery_last_sync_age_seconds", "Time since the source last confirmed the fleet.", labels=["source"]
        )
        for source, age_s in self._roster.sync_ages_s().items():
            ages.add_metric([source], age_s)
        yield ages


def _by_substation(name: str, meaning: str, values: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=["substation"])
    for substation, value in values:
        family.add_metric([substation], value)
    return family


def _in_rotation(seen: list[Seen]) -> Iterable[tuple[str, float]]:
    return ((each.member.name, float(each.in_rotation)) for each in seen)


def _ages_s(seen: list[Seen], now_s: float) -> Iterable[tuple[str, float]]:
    return ((s.member.name, now_s - s.view.updated_at_s) for s in seen if s.view.updated_at_s is not None)


def _committed(status: Status) -> float:
    return 100 * status.committed_kw / status.capacity_kw if status.capacity_kw else 0.0
