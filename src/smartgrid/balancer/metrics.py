"""The balancer's metrics."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from smartgrid.balancer import moves
from smartgrid.balancer.live_fleet import LiveFleet, Seen
from smartgrid.balancer.placement.directory import Directory
from smartgrid.balancer.roster import Roster
from smartgrid.balancer.scaling.follower import Scaling
from smartgrid.domain.status import Status
from smartgrid.web.metrics import LATENCY_BUCKETS_S, family

REASONS = ("no-capacity", "no-substation", "quota-exceeded")


class Decisions:
    """How many cars each substation has taken. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}

    def count(self, name: str) -> None:
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + 1

    def of(self, names: Iterable[str]) -> list[tuple[str, float]]:
        """The counts of these, 0 where none: a series that begins with its first event has no rate for it."""
        with self._lock:
            return [(name, self._counts.get(name, 0)) for name in names]

    def keep(self, present: Iterable[str]) -> None:
        """Forget all others."""
        with self._lock:
            self._counts = {name: self._counts[name] for name in present if name in self._counts}


class BalancerMetrics:
    """What is counted as it happens."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.decisions = Decisions()
        self.requests = Counter(
            "load_balancer_requests", "Cars to be placed, by result.", ["result"], registry=registry
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
        self.supersedings = Counter(
            "supersedings", "Sessions ended since their key has a later one elsewhere.", registry=registry
        )
        self.moves = Counter(
            "waiting_moves",
            "Cars that wait for which a place at another substation was asked, by result.",
            ["result"],
            registry=registry,
        )
        for result in moves.RESULTS:
            self.moves.labels(result)
        for result in ("admitted", "waiting", "replayed", "rejected", "failed"):
            self.requests.labels(result)
        for reason in REASONS:
            self.rejections.labels(reason)

    def count(self, result: str) -> int:
        """Cars so far with this result."""
        return int(self.requests.labels(result)._value.get())

    def forget_absent(self, present: Iterable[str]) -> None:
        """Drop the counts of substations that have left."""
        self.decisions.keep(present)


class FleetCollector(Collector):
    """Gauges of the fleet as a whole."""

    def __init__(self, fleet: LiveFleet, roster: Roster, directory: Directory, max_view_age_s: float) -> None:
        self._fleet, self._roster, self._directory = fleet, roster, directory
        self._max_view_age_s = max_view_age_s

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("fleet_size", "Substations that the balancer knows.", self._fleet.size())
        yield GaugeMetricFamily(
            "fleet_away", "Substations that have left the fleet and may come back.", len(self._fleet.away())
        )
        totals = self._fleet.totals()
        yield GaugeMetricFamily("smartgrid_waiting_sessions", "Cars that wait for power.", totals.waiting_sessions)
        yield GaugeMetricFamily("keys_known", "Sessions that the balancer knows by their keys.", len(self._directory))
        yield GaugeMetricFamily(
            "keys_contested",
            "Keys with sessions at two substations, the earlier of which is still to be ended.",
            self._directory.contested_count(),
        )
        yield GaugeMetricFamily(
            "fleet_view_max_age_seconds",
            "Age that the view of a healthy substation never passes.",
            self._max_view_age_s,
        )
        ages = GaugeMetricFamily(
            "discovery_last_sync_age_seconds", "Time since the source last confirmed the fleet.", labels=["source"]
        )
        for source, age_s in self._roster.sync_ages_s().items():
            ages.add_metric([source], age_s)
        yield ages


class ScalingCollector(Collector):
    """What an autoscaler is told, by the names that it may be set to; nothing while the fleet is not known."""

    def __init__(self, scaling: Scaling) -> None:
        self._scaling = scaling

    def collect(self) -> Iterable[Metric]:
        found = self._scaling.wanted()
        if found is None:
            return
        yield GaugeMetricFamily(
            "smartgrid_demand_kw",
            "What the cars of the scaled substations could take, those that wait included.",
            found.demand_kw,
        )
        yield GaugeMetricFamily(
            "smartgrid_busy_floor",
            "1 + the highest ordinal of the scaled substations that has a car.",
            found.busy_floor,
        )


class SubstationSeries:
    """What the balancer knows of each substation, as text: a substation that has left has no series."""

    def __init__(
        self, fleet: LiveFleet, decisions: Decisions, clock_skews_s: Callable[[], Iterable[tuple[str, float]]] = tuple
    ) -> None:
        self._fleet, self._decisions, self._clock_skews_s = fleet, decisions, clock_skews_s

    def render(self) -> str:
        seen, now_s = self._fleet.seen(), time.monotonic()
        spared, slow, leaving = self._fleet.spared(), self._fleet.slow(), self._fleet.leaving()
        names = [each.member.name for each in seen]
        known = [(each.member.name, each.view.status) for each in seen if each.view.status is not None]
        return "".join(
            (
                _family(
                    "routing_decisions_total",
                    "counter",
                    "Cars that were placed, to charge or to wait, by the substation that took them.",
                    self._decisions.of(names),
                ),
                _gauge("substation_in_rotation", "Whether the substation may get cars.", _in_rotation(seen)),
                _gauge(
                    "balancer_breaker_open",
                    "Whether the circuit breaker spares the substation cars, as it let some down.",
                    ((name, float(name in spared)) for name in names),
                ),
                _gauge(
                    "substation_slow",
                    "Whether the substation is asked last, as it answers cars more slowly than the others.",
                    ((name, float(name in slow)) for name in names),
                ),
                _gauge(
                    "substation_leaving",
                    "Whether the substation is asked last, so that its autoscaler can take it away.",
                    ((name, float(name in leaving)) for name in names),
                ),
                _gauge(
                    "substation_load_percentage",
                    "Power given, in % of capacity.",
                    ((name, status.load_percentage) for name, status in known),
                ),
                _gauge(
                    "substation_committed_percentage",
                    "Guaranteed minimums, in % of capacity.",
                    ((name, _committed(status)) for name, status in known),
                ),
                _gauge(
                    "substation_waiting_sessions",
                    "Cars that wait there for power.",
                    ((name, status.waiting_sessions) for name, status in known),
                ),
                _gauge(
                    "substation_clock_skew_seconds",
                    "By how much its clock is ahead of the balancer's, at least; negative where it is behind.",
                    ((name, skew_s) for name, skew_s in self._clock_skews_s() if name in names),
                ),
                _gauge("fleet_view_age_seconds", "Time since the substation's last answer.", _ages_s(seen, now_s)),
            )
        )


def _gauge(name: str, meaning: str, values: Iterable[tuple[str, float]]) -> str:
    return _family(name, "gauge", meaning, values)


def _family(name: str, kind: str, meaning: str, values: Iterable[tuple[str, float]]) -> str:
    return family(name, kind, meaning, "substation", values)


def _in_rotation(seen: list[Seen]) -> Iterable[tuple[str, float]]:
    return ((each.member.name, float(each.in_rotation)) for each in seen)


def _ages_s(seen: list[Seen], now_s: float) -> Iterable[tuple[str, float]]:
    return ((s.member.name, now_s - s.view.updated_at_s) for s in seen if s.view.updated_at_s is not None)


def _committed(status: Status) -> float:
    return 100 * status.committed_kw / status.capacity_kw if status.capacity_kw else 0.0
