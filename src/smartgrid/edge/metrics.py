"""The edge's metrics, read from what its parts count when Prometheus asks.

The parts count in plain numbers in their event loop, which is where they are read: one hop for all of it. If the loop
does not answer in time, that is the news (`edge_loop_answers` 0), and the rest is missing rather than wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from smartgrid.edge.chargers.desk import DISBELIEVED
from smartgrid.edge.chargers.picture import Counts
from smartgrid.edge.grid.substation import SubstationState
from smartgrid.edge.messages.values import ConnectorStatus
from smartgrid.edge.ocpp.counters import Counters, Histogram
from smartgrid.edge.parts import Parts
from smartgrid.edge.ports import Outcome
from smartgrid.runtime.event_loop import EventLoop

TIMEOUT_S = 2.0
PROFILES = ("accepted", "rejected", "unknown")


@dataclass(frozen=True, slots=True)
class _Read:
    """Of one moment."""

    counts: Counts
    substations: list[SubstationState]
    profiles: dict[str, int]
    disbelieved: dict[str, int]
    deliveries: dict[str, int]
    polls: dict[str, int]
    reports: dict[str, int]
    edges: int
    passed_on: dict[str, int]
    handed_over: int


class EdgeCollector(Collector):
    """Everything that this edge has, by the names in docs/observability.md."""

    def __init__(self, loop: EventLoop, parts: Parts, counters: Counters) -> None:
        self._loop, self._parts, self._counters = loop, parts, counters

    def collect(self) -> Iterator[Metric]:
        found = self._read()
        yield GaugeMetricFamily(
            "edge_loop_answers",
            f"Whether the loop in which chargers are served answers within {TIMEOUT_S:g} s.",
            float(found is not None),
        )
        yield GaugeMetricFamily(
            "chargers_registered", "Chargers that may connect by name.", self._parts.registry.count()
        )
        if found is not None:
            yield from _of_chargers(found.counts)
            yield _counted(
                "charger_claims_disbelieved",
                "What chargers said and cannot be: beyond twice the rating (power, energy), an unregistered connector.",
                "kind",
                DISBELIEVED,
                found.disbelieved,
            )
            yield from _of_substations(found)
            yield from _of_sharing(found)
        yield from self._of_sockets()

    def _read(self) -> _Read | None:
        async def read() -> _Read:
            parts = self._parts
            return _Read(
                parts.fleet.counts(),
                parts.grid.states(),
                dict(parts.fleet.steering.profiles),
                dict(parts.fleet.desk.disbelieved),
                dict(parts.grid.counters.deliveries),
                dict(parts.grid.counters.offers),
                dict(parts.grid.counters.reports),
                len(parts.sharing.shards.members),
                dict(parts.sharing.passing.counts),
                parts.sharing.handed_over,
            )

        try:
            return self._loop.run(read(), TIMEOUT_S)
        except TimeoutError:
            return None

    def _of_sockets(self) -> Iterator[Metric]:
        counters = self._counters
        yield CounterMetricFamily(
            "charger_connections", "Connections of chargers that were let in.", counters.connections
        )
        yield _counted(
            "charger_connections_refused",
            "Connections of chargers that were not let in, by reason.",
            "reason",
            (),
            counters.refused,
        )
        yield _counted(
            "ocpp_errors", "What was not as OCPP has it, and calls without a result.", "kind", (), counters.errors
        )
        messages = CounterMetricFamily(
            "ocpp_messages", "Messages of OCPP, answers too, by action.", labels=["direction", "action"]
        )
        for (direction, action), count in sorted(counters.messages.copy().items()):
            messages.add_metric([direction, action], count)
        yield messages
        yield _histogram("ocpp_call_seconds", "Time that chargers take to answer.", counters.call_s)


def _of_chargers(counts: Counts) -> Iterator[Metric]:
    yield GaugeMetricFamily("chargers_connected", "Chargers that are connected here.", counts.connected)
    yield GaugeMetricFamily(
        "chargers_not_obeying",
        "Chargers that refuse limits or leave them unanswered, or accept them and draw more; also who has just gone.",
        counts.not_obeying,
    )
    connectors = GaugeMetricFamily("connectors", "Connectors of chargers that are connected.", labels=["status"])
    for status in ConnectorStatus:
        connectors.add_metric([status.value], counts.connectors[status.value])
    yield connectors
    yield GaugeMetricFamily(
        "edge_inbox_messages", "Transactions with something that their substation has not taken yet.", counts.untold
    )
    yield GaugeMetricFamily("edge_inbox_oldest_seconds", "Age of the oldest of them.", counts.oldest_untold_s)
    yield GaugeMetricFamily(
        "charger_clock_skew_seconds_max", "The most that a connected charger's clock is off.", counts.clock_skew_s_max
    )


def _of_substations(found: _Read) -> Iterator[Metric]:
    states = GaugeMetricFamily(
        "edge_substations", "Substations with chargers here, by whether they are reached.", labels=["state"]
    )
    reached = sum(each.is_reached for each in found.substations)
    states.add_metric(["reached"], reached)
    states.add_metric(["unreached"], len(found.substations) - reached)
    yield states
    yield GaugeMetricFamily(
        "edge_offers_age_seconds",
        "Time since offers were asked for that were answered, of the substation where it is longest.",
        max((each.offers_age_s for each in found.substations), default=0.0),
    )
    yield _counted(
        "edge_deliveries", "Orders to begin and end sessions, by outcome.", "result", Outcome, found.deliveries
    )
    yield _counted(
        "edge_polls", "Polls of substations for their offers, by what came of them.", "result", (), found.polls
    )
    yield _counted("edge_reports", "Batches of reports to substations, by outcome.", "result", (), found.reports)
    yield _counted(
        "charging_profiles", "Charging profiles sent, by the charger's answer.", "result", PROFILES, found.profiles
    )


def _of_sharing(found: _Read) -> Iterator[Metric]:
    yield GaugeMetricFamily("edge_members", "Edges that share the substations, as this one sees it.", found.edges)
    yield _counted(
        "charger_connections_passed_on",
        "Connections of chargers of other edges, by what became of them.",
        "result",
        (),
        found.passed_on,
    )
    yield CounterMetricFamily(
        "chargers_handed_over", "Chargers sent away as another edge has their substation now.", found.handed_over
    )


def _counted(name: str, meaning: str, label: str, known: Iterable[str], counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=[label])
    for value, count in {**dict.fromkeys(map(str, known), 0), **{str(key): n for key, n in counts.items()}}.items():
        family.add_metric([value], count)
    return family


def _histogram(name: str, meaning: str, histogram: Histogram) -> Metric:
    sums = list(accumulate(histogram.counts))
    buckets = [(f"{bound:g}", float(count)) for bound, count in zip(histogram.bounds, sums, strict=False)]
    return HistogramMetricFamily(
        name, meaning, buckets=[*buckets, ("+Inf", float(sums[-1]))], sum_value=histogram.total
    )
