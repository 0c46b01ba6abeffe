"""The substation's metrics, read from its books when scraped."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from smartgrid.domain.session import Session
from smartgrid.domain.status import Status
from smartgrid.substation.charger_ledger import ChargerLedger

DURATION_BUCKETS_S = (60, 300, 900, 1800, 3600, 7200, 14400, 28800, 57600)


class SubstationMetrics:
    """What is counted as it happens."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter("charging_requests", "Requests to charge, by result.", ["result"], registry=registry)
        self.rejections = Counter(
            "charging_rejections", "Requests to charge that were refused, by reason.", ["reason"], registry=registry
        )
        self._durations = Histogram(
            "charging_duration_seconds",
            "Duration of ended sessions, by the substation's own clock.",
            buckets=DURATION_BUCKETS_S,
            registry=registry,
        )
        self._waits = Histogram(
            "waiting_duration_seconds",
            "How long those who have started from the waiting list had waited, by the substation's own clock.",
            buckets=DURATION_BUCKETS_S,
            registry=registry,
        )
        for result in ("admitted", "waiting", "replayed", "rejected", "failed"):
            self.requests.labels(result)
        for reason in ("no-capacity", "draining", "quota-exceeded"):
            self.rejections.labels(reason)

    def ended(self, session: Session) -> None:
        self._durations.observe((session.ended_s or session.started_s) - session.started_s)

    def started(self, waited_s: float) -> None:
        """One that has waited."""
        self._waits.observe(waited_s)


class BooksCollector(Collector):
    """Gauges straight from the books, so that they are never out of date."""

    def __init__(self, ledger: ChargerLedger, data_dir: Path) -> None:
        self._ledger, self._data_dir = ledger, data_dir

    def collect(self) -> Iterable[Metric]:
        status = self._ledger.status()
        suspended = self._ledger.suspended_sessions()
        curtailed_kw = max(0.0, status.demand_kw - status.load_kw)
        disk = shutil.disk_usage(self._data_dir)
        yield GaugeMetricFamily("current_load", "Power given to sessions now, in kW.", status.load_kw)
        yield GaugeMetricFamily("total_capacity", "Most power that the substation may give, in kW.", status.capacity_kw)
        yield GaugeMetricFamily(
            "active_chargers", "Sessions that charge, or are suspended for want of capacity.", status.active_sessions
        )
        yield GaugeMetricFamily("waiting_sessions", "Cars on the waiting list.", status.waiting_sessions)
        yield GaugeMetricFamily("suspended_sessions", "Sessions without power for want of capacity.", suspended)
        yield GaugeMetricFamily("committed_power_kw", "Sum of the guaranteed minimums, in kW.", status.committed_kw)
        yield GaugeMetricFamily("demand_power_kw", "Sum of the maximums, in kW.", status.demand_kw)
        yield GaugeMetricFamily("curtailed_power_kw", "Demand that is not granted, in kW.", curtailed_kw)
        yield from self._of_chargers(status)
        yield CounterMetricFamily(
            "delivered_energy_kwh", "Energy delivered since the process started, in kWh.", self._ledger.metered_kwh()
        )
        # As df reckons it: what a file system keeps for root is not room that a substation could use.
        yield GaugeMetricFamily(
            "data_volume_size_bytes",
            "Size of the volume that the sessions are on, less what is kept for root.",
            disk.used + disk.free,
        )
        yield GaugeMetricFamily(
            "data_volume_free_bytes", "Room left on the volume that the sessions are on.", disk.free
        )

    def _of_chargers(self, status: Status) -> Iterable[Metric]:
        totals = self._ledger.charger_totals()
        yield GaugeMetricFamily("offered_power_kw", "What cars at chargers may draw, in kW.", totals.offered_kw)
        yield GaugeMetricFamily(
            "held_power_kw",
            "What chargers may draw beyond that for as long as they are not known not to.",
            totals.beyond_offers_kw,
        )
        yield GaugeMetricFamily("metered_power_kw", "What chargers' meters said last, in kW.", totals.metered_kw)
        yield GaugeMetricFamily(
            "uncontrolled_power_kw", "Booked for chargers that do not do as they are told.", totals.uncontrolled_kw
        )
        yield GaugeMetricFamily(
            "overbooked_power_kw",
            "What chargers may draw above the capacity: after it was cut, or by a fact.",
            totals.overbooked_kw,
        )
        if status.connectors is not None:  # else no edge has told of any
            yield GaugeMetricFamily("connectors", "Connectors of its chargers.", status.connectors)
            yield GaugeMetricFamily(
                "free_connectors", "Connectors without a car, a fault or a reservation.", status.free_connectors or 0
            )
