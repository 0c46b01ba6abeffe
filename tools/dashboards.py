"""Writes the Grafana dashboards: `python tools/dashboards.py`. A test holds that dashboards/ is what this writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    DynamicConfigValue,
    FieldColorModeId,
    GridPos,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

FOLDER = Path(__file__).resolve().parent.parent / "dashboards"
COLUMNS = 24
DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
SUBSTATION = 'job="substation", namespace=~"$namespace", pod=~"$substation"'
BALANCER = 'job="balancer", namespace=~"$namespace"'
BALANCER_ON = f'{BALANCER}, substation=~"$substation"'
GATEWAY = 'job="gateway", namespace=~"$namespace"'
PEOPLE = f'{GATEWAY}, route!~"/health|/ready|/metrics|/openapi.json|/docs.*"'
EDGE = 'job="edge", namespace=~"$namespace"'
GRID = 'namespace=~"$namespace"'
RATE = "$__rate_interval"
SESSION_WINDOW = "15m"  # sessions end far more rarely than Prometheus scrapes

# Load in % of capacity, as everywhere in this project: green to 70 %, amber to 90 %, red above.
LOAD_STEPS = ((None, "green"), (70, "orange"), (90, "red"))
BAD_ABOVE_5_PERCENT = ((None, "green"), (0.01, "orange"), (0.05, "red"))
BAD_ABOVE_2_S = ((None, "green"), (1, "orange"), (2, "red"))
BAD_ABOVE_30_MIN = ((None, "green"), (900, "orange"), (1800, "red"))
GOOD_ABOVE_99_9_PERCENT = ((None, "red"), (0.99, "orange"), (0.999, "green"))
BAD_ABOVE_0 = ((None, "green"), (1, "red"))
NO_STEPS = ((None, "blue"),)

BuilderT = TypeVar("BuilderT", timeseries.Panel, stat.Panel, bargauge.Panel)
Steps = Sequence[tuple[float | None, str]]


@dataclass(frozen=True)
class Panel:
    """One panel; `queries` are pairs of an expression and its legend."""

    title: str
    description: str
    unit: str
    queries: Sequence[tuple[str, str]]
    kind: Literal["lines", "number", "bars"] = "lines"
    width: int = 8
    stacked: bool = False
    steps: Steps = NO_STEPS
    top: float | None = None
    decimals: int | None = None
    dashed: str | None = None  # series whose legend matches are limits


@dataclass(frozen=True)
class Row:
    """Panels under a heading, left to right, wrapped at 24 columns."""

    title: str
    height: int
    panels: Sequence[Panel]


def quantile(share: float, histogram: str, by: str = "", window: str = RATE) -> str:
    """A percentile of a histogram's recent observations."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({histogram}[{window}])))"


def rates(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}[{RATE}]))"


NOW = Row(
    "Now",
    4,
    (
        Panel(
            "Load",
            "Power given to cars, in % of the whole grid's capacity.",
            "percentunit",
            (
                (
                    f"sum(namespace:current_load_kw:sum{{{GRID}}}) / sum(namespace:total_capacity_kw:sum{{{GRID}}})",
                    "load",
                ),
            ),
            kind="number",
            width=3,
            steps=((None, "green"), (0.7, "orange"), (0.9, "red")),
            decimals=1,
        ),
        Panel(
            "Headroom",
            "Capacity that is not yet promised to any car as its minimum: what new cars can still be promised.",
            "kwatt",
            (
                (
                    f"sum(namespace:total_capacity_kw:sum{{{GRID}}}) - sum(namespace:committed_power_kw:sum{{{GRID}}})",
                    "free",
                ),
            ),
            kind="number",
            width=3,
            steps=((None, "red"), (11, "orange"), (50, "green")),
            decimals=0,
        ),
        Panel(
            "Sessions",
            "Cars that are plugged in and not done, on all substations.",
            "short",
            ((f'sum(active_chargers{{job="substation", {GRID}}})', "sessions"),),
            kind="number",
            width=3,
        ),
        Panel(
            "Substations in rotation",
            "Substations that get cars, as the balancer that sees most of them sees it.",
            "short",
            ((f"max(sum by (pod) (substation_in_rotation{{{BALANCER}}}))", "in rotation"),),
            kind="number",
            width=3,
        ),
        Panel(
            "Cars rejected",
            "Share of the cars of the last 5 minutes that found no substation.",
            "percentunit",
            ((f"max(namespace:cars_rejected:ratio_rate5m{{{GRID}}})", "rejected"),),
            kind="number",
            width=3,
            steps=BAD_ABOVE_5_PERCENT,
            decimals=1,
        ),
        Panel(
            "Errors",
            "Share of the gateway's answers of the last 5 minutes that were a server's error; a full grid is none.",
            "percentunit",
            ((f"max(namespace:gateway_errors:ratio_rate5m{{{GRID}}})", "errors"),),
            kind="number",
            width=3,
            steps=BAD_ABOVE_5_PERCENT,
            decimals=1,
        ),
        Panel(
            "Response time, 95th",
            "Nineteen of twenty requests to the gateway were answered within this, in the last 5 minutes.",
            "s",
            ((f"max(namespace:gateway_request_duration_seconds:p95_5m{{{GRID}}})", "p95"),),
            kind="number",
            width=3,
            steps=BAD_ABOVE_2_S,
        ),
        Panel(
            "Alerts firing",
            "Alerts of this grid that fire now; docs/runbook.md says what to do about each.",
            "short",
            (('count(ALERTS{alertname=~"SmartGrid.*", alertstate="firing"}) or vector(0)', "alerts"),),
            kind="number",
            width=3,
            steps=BAD_ABOVE_0,
        ),
    ),
)

BUSINESS = Row(
    "Business: the last hour, and the last 24 hours",
    4,
    (
        Panel(
            "Utilisation, 1 h",
            "Of all the energy that the grid could have given in the last hour, what it gave.",
            "percentunit",
            (
                (
                    f"sum(avg_over_time(namespace:current_load_kw:sum{{{GRID}}}[1h]))"
                    f" / sum(avg_over_time(namespace:total_capacity_kw:sum{{{GRID}}}[1h]))",
                    "utilisation",
                ),
            ),
            kind="number",
            width=4,
            decimals=1,
        ),
        Panel(
            "Energy delivered, 24 h",
            "Energy that cars have been given, on all substations.",
            "kwatth",
            ((f'sum(increase(delivered_energy_kwh_total{{job="substation", {GRID}}}[24h]))', "energy"),),
            kind="number",
            width=4,
            decimals=0,
        ),
        Panel(
            "Availability, 24 h",
            "Share of the requests to the gateway that were not answered with a server's error; a full grid is none.",
            "percentunit",
            (
                (
                    "1 - clamp_min("
                    f'(sum(increase(requests_duration_seconds_count{{{PEOPLE}, status=~"5.."}}[24h])) or vector(0))'
                    f' - (sum(increase(failed_requests_total{{{GATEWAY}, code=~"no-capacity|draining"}}[24h]))'
                    " or vector(0)), 0)"
                    f" / sum(increase(requests_duration_seconds_count{{{PEOPLE}}}[24h]))",
                    "available",
                ),
            ),
            kind="number",
            width=4,
            steps=GOOD_ABOVE_99_9_PERCENT,
            decimals=2,
        ),
        Panel(
            "Cars served, 24 h",
            "Share of the cars that were given power at once or let wait for it; the others were turned away.",
            "percentunit",
            (
                (
                    f'sum(increase(load_balancer_requests_total{{{BALANCER}, result=~"admitted|waiting"}}[24h]))'
                    f" / sum(increase(load_balancer_requests_total"
                    f'{{{BALANCER}, result=~"admitted|waiting|rejected"}}[24h]))',
                    "served",
                ),
            ),
            kind="number",
            width=4,
            decimals=1,
        ),
        Panel(
            "Wait, 95th, 1 h",
            "Nineteen of twenty cars that started from a list had waited no longer, by the substations' clocks.",
            "s",
            (
                (
                    quantile(0.95, f'waiting_duration_seconds_bucket{{job="substation", {GRID}}}', window="1h"),
                    "wait",
                ),
            ),
            kind="number",
            width=4,
            steps=BAD_ABOVE_30_MIN,
        ),
        Panel(
            "Response time, 95th, 24 h",
            "Nineteen of twenty requests to the gateway were answered within this.",
            "s",
            ((quantile(0.95, f"requests_duration_seconds_bucket{{{PEOPLE}}}", window="24h"), "p95"),),
            kind="number",
            width=4,
            steps=BAD_ABOVE_2_S,
        ),
    ),
)

POWER = Row(
    "Power",
    9,
    (
        Panel(
            "Substation Load (kW)",
            "Power that each substation gives to its cars now.",
            "kwatt",
            ((f"current_load{{{SUBSTATION}}}", "{{pod}}"),),
        ),
        Panel(
            "Substation Load Percentage",
            "Power given in % of the substation's capacity, as the balancers see it.",
            "percent",
            ((f"max by (substation) (substation_load_percentage{{{BALANCER_ON}}})", "{{substation}}"),),
            kind="bars",
            steps=LOAD_STEPS,
            top=100,
            decimals=0,
        ),
        Panel(
            "Demand against capacity",
            "What all cars could take (demand), what they get (load), what they are promised at least (guaranteed), "
            "and the limit.",
            "kwatt",
            (
                (f"sum(namespace:total_capacity_kw:sum{{{GRID}}})", "capacity"),
                (f"sum(namespace:demand_power_kw:sum{{{GRID}}})", "demand"),
                (f"sum(namespace:current_load_kw:sum{{{GRID}}})", "load"),
                (f"sum(namespace:committed_power_kw:sum{{{GRID}}})", "guaranteed"),
            ),
            dashed="capacity",
        ),
        Panel(
            "Headroom by substation",
            "Capacity not promised as minimums. Where it is 0, the substation admits no car.",
            "kwatt",
            ((f"total_capacity{{{SUBSTATION}}} - committed_power_kw{{{SUBSTATION}}}", "{{pod}}"),),
        ),
        Panel(
            "Curtailment",
            "Power that cars could take and do not get.",
            "kwatt",
            ((f"curtailed_power_kw{{{SUBSTATION}}}", "{{pod}}"),),
            stacked=True,
        ),
        Panel(
            "Sessions without power",
            "Sessions suspended because a lowered capacity does not even cover the minimums (SuspendedEVSE).",
            "short",
            ((f"suspended_sessions{{{SUBSTATION}}}", "{{pod}}"),),
            stacked=True,
        ),
    ),
)

CARS = Row(
    "Cars",
    8,
    (
        Panel(
            "Active Chargers",
            "Sessions at each substation that have not ended.",
            "short",
            ((f"active_chargers{{{SUBSTATION}}}", "{{pod}}"),),
            stacked=True,
        ),
        Panel(
            "Charging Requests Rate",
            "Requests to charge that reach the substations, by what became of them.",
            "reqps",
            ((rates(f"charging_requests_total{{{SUBSTATION}}}", "result"), "{{result}}"),),
            stacked=True,
        ),
        Panel(
            "Charging Duration Percentiles 50th and 95th",
            f"Duration of the sessions that ended in the last {SESSION_WINDOW}, by the substations' clocks.",
            "s",
            (
                (quantile(0.5, f"charging_duration_seconds_bucket{{{SUBSTATION}}}", window=SESSION_WINDOW), "50th"),
                (quantile(0.95, f"charging_duration_seconds_bucket{{{SUBSTATION}}}", window=SESSION_WINDOW), "95th"),
            ),
        ),
        Panel(
            "Rejections by reason",
            "Cars that found no place anywhere (grid), and refusals of single substations that the balancer then "
            "passed by (substation).",
            "reqps",
            (
                (rates(f"load_balancer_rejections_total{{{BALANCER}}}", "reason"), "grid: {{reason}}"),
                (rates(f"charging_rejections_total{{{SUBSTATION}}}", "reason"), "substation: {{reason}}"),
            ),
        ),
        Panel(
            "Energy delivered",
            "Energy metered per hour of wall time, by substation.",
            "kwatth",
            ((f"3600 * rate(delivered_energy_kwh_total{{{SUBSTATION}}}[{RATE}])", "{{pod}}"),),
            stacked=True,
        ),
        Panel(
            "Volume free",
            "Room left on the volumes that the sessions are on.",
            "percentunit",
            ((f"pod:data_volume_free:ratio{{{SUBSTATION}}}", "{{pod}}"),),
            top=1,
        ),
    ),
)

WAITING = Row(
    "Waiting",
    8,
    (
        Panel(
            "Cars that wait",
            "Cars on the waiting list of each substation.",
            "short",
            ((f"waiting_sessions{{{SUBSTATION}}}", "{{pod}}"),),
            stacked=True,
            width=6,
        ),
        Panel(
            "Waits",
            f"How long those had waited who started from a list in the last {SESSION_WINDOW}, "
            "by the substations' clocks.",
            "s",
            (
                (quantile(0.5, f"waiting_duration_seconds_bucket{{{SUBSTATION}}}", window=SESSION_WINDOW), "50th"),
                (quantile(0.95, f"waiting_duration_seconds_bucket{{{SUBSTATION}}}", window=SESSION_WINDOW), "95th"),
            ),
            width=6,
        ),
        Panel(
            "Joins and starts",
            "Cars that join a list, and cars that start from one. The rest of those who joined left before.",
            "reqps",
            (
                (f'sum(rate(charging_requests_total{{{SUBSTATION}, result="waiting"}}[{RATE}]))', "joined"),
                (f"sum(rate(waiting_duration_seconds_count{{{SUBSTATION}}}[{RATE}]))", "started"),
            ),
            width=6,
        ),
        Panel(
            "Moves",
            "Cars that wait for which a balancer asked a place at another substation, by result.",
            "reqps",
            ((rates(f"waiting_moves_total{{{BALANCER}}}", "result"), "{{result}}"),),
            width=6,
        ),
    ),
)

CHARGERS = Row(
    "Chargers",
    8,
    (
        Panel(
            "Chargers connected",
            "Chargers with an open connection, by edge, and those that are registered.",
            "short",
            (
                (f"chargers_connected{{{EDGE}}}", "{{pod}}"),
                (f"max(chargers_registered{{{EDGE}}})", "registered"),
                (f"sum(chargers_not_obeying{{{EDGE}}})", "not obeying"),
            ),
            dashed="registered",
            width=6,
        ),
        Panel(
            "Connectors by status",
            "As chargers tell it.",
            "short",
            ((f"sum by (status) (connectors{{{EDGE}}})", "{{status}}"),),
            stacked=True,
            width=6,
        ),
        Panel(
            "Offered, booked and metered",
            "What cars at chargers may draw (offered), what they might still draw at worst (booked), what their meters "
            "say, and what is booked of chargers that cannot be controlled.",
            "kwatt",
            (
                (f"sum(offered_power_kw{{{SUBSTATION}}})", "offered"),
                (f"sum(offered_power_kw{{{SUBSTATION}}} + held_power_kw{{{SUBSTATION}}})", "booked"),
                (f"sum(metered_power_kw{{{SUBSTATION}}})", "metered"),
                (f"sum(uncontrolled_power_kw{{{SUBSTATION}}})", "uncontrolled"),
                (f"sum(overbooked_power_kw{{{SUBSTATION}}})", "above capacity"),
            ),
            width=6,
        ),
        Panel(
            "Free connectors",
            "Connectors without a car, a fault or a reservation, by substation.",
            "short",
            ((f"free_connectors{{{SUBSTATION}}}", "{{pod}}"),),
            width=6,
        ),
        Panel(
            "Limits sent",
            "Charging profiles that were sent to chargers, by what became of them.",
            "ops",
            ((rates(f"charging_profiles_total{{{EDGE}}}", "result"), "{{result}}"),),
            stacked=True,
            width=6,
        ),
        Panel(
            "Calls of chargers",
            "Time until a charger answers a call of the edge.",
            "s",
            (
                (quantile(0.5, f"ocpp_call_seconds_bucket{{{EDGE}}}"), "50th"),
                (quantile(0.95, f"ocpp_call_seconds_bucket{{{EDGE}}}"), "95th"),
            ),
            width=6,
        ),
        Panel(
            "Messages",
            "Messages of OCPP, by action and direction.",
            "ops",
            ((rates(f"ocpp_messages_total{{{EDGE}}}", "direction, action"), "{{direction}} {{action}}"),),
            stacked=True,
            width=6,
        ),
        Panel(
            "Refused and not understood",
            "Connections that were refused, by reason, and what was wrong with messages, by kind.",
            "ops",
            (
                (rates(f"charger_connections_refused_total{{{EDGE}}}", "reason"), "refused: {{reason}}"),
                (rates(f"ocpp_errors_total{{{EDGE}}}", "kind"), "message: {{kind}}"),
            ),
            width=6,
        ),
        Panel(
            "Inbox",
            "Messages of chargers that no substation has taken yet.",
            "short",
            ((f"edge_inbox_messages{{{EDGE}}}", "{{pod}}"),),
            stacked=True,
            width=6,
        ),
        Panel(
            "Inbox and offers: age",
            "Of the oldest message that is not delivered, and of the offer that was renewed longest ago.",
            "s",
            (
                (f"max(edge_inbox_oldest_seconds{{{EDGE}}})", "message"),
                (f"max(edge_offers_age_seconds{{{EDGE}}})", "offer"),
            ),
            width=6,
        ),
        Panel(
            "Deliveries by result",
            "Starts and ends of sessions that edges bring to substations.",
            "ops",
            ((rates(f"edge_deliveries_total{{{EDGE}}}", "result"), "{{result}}"),),
            width=6,
        ),
        Panel(
            "Substations of the edges",
            "Substations with chargers, by whether their edge has an answer of them.",
            "short",
            ((f"sum by (state) (edge_substations{{{EDGE}}})", "{{state}}"),),
            width=6,
        ),
    ),
)

ROUTING = Row(
    "Routing",
    8,
    (
        Panel(
            "Load Balancer Request Rate",
            "Cars that the balancers were asked to place, by result.",
            "reqps",
            ((rates(f"load_balancer_requests_total{{{BALANCER}}}", "result"), "{{result}}"),),
            stacked=True,
        ),
        Panel(
            "Load Balancer Routing Decisions",
            "Cars placed, by the substation that took them.",
            "reqps",
            ((rates(f"routing_decisions_total{{{BALANCER_ON}}}", "substation"), "{{substation}}"),),
            stacked=True,
        ),
        Panel(
            "Decision duration",
            "Time to place a car, all attempts at substations included.",
            "s",
            (
                (quantile(0.5, f"decision_duration_seconds_bucket{{{BALANCER}}}"), "50th"),
                (quantile(0.95, f"decision_duration_seconds_bucket{{{BALANCER}}}"), "95th"),
            ),
        ),
        Panel(
            "Watch age",
            "Time since each substation was last heard of. A quiet one is silent for up to the limit.",
            "s",
            (
                (f"max by (substation) (fleet_view_age_seconds{{{BALANCER_ON}}})", "{{substation}}"),
                (f"max(fleet_view_max_age_seconds{{{BALANCER}}})", "limit"),
            ),
            dashed="limit",
            width=6,
        ),
        Panel(
            "Discovery age",
            "Time since each source of substations last confirmed the fleet.",
            "s",
            ((f"max by (source) (discovery_last_sync_age_seconds{{{BALANCER}}})", "{{source}}"),),
            width=6,
        ),
        Panel(
            "Fleet and rotation",
            "Substations that are known, that get cars, that have left and may come back, "
            "and cars with two sessions, the earlier of which is still to be ended.",
            "short",
            (
                (f"max(fleet_size{{{BALANCER}}})", "known"),
                (f"max(sum by (pod) (substation_in_rotation{{{BALANCER}}}))", "in rotation"),
                (f"max(fleet_away{{{BALANCER}}})", "away"),
                (f"max(keys_contested{{{BALANCER}}})", "contested keys"),
            ),
            width=6,
        ),
        Panel(
            "Polls",
            "Plain polls of substations: some at the start, and more while one does not answer. "
            "All else is pushed by long polls.",
            "reqps",
            ((f"sum(rate(polling_duration_seconds_count{{{BALANCER}}}[{RATE}]))", "polls"),),
            width=6,
        ),
    ),
)

ENTRY = Row(
    "Gateway",
    8,
    (
        Panel(
            "Requests by route",
            "Requests to the gateway, without probes and scrapes.",
            "reqps",
            ((rates(f"requests_duration_seconds_count{{{PEOPLE}}}", "method, route"), "{{method}} {{route}}"),),
            stacked=True,
        ),
        Panel(
            "Latency",
            "Time to answer a request at the gateway, without probes and scrapes.",
            "s",
            tuple(
                (quantile(share, f"requests_duration_seconds_bucket{{{PEOPLE}}}"), name)
                for share, name in ((0.5, "50th"), (0.95, "95th"), (0.99, "99th"))
            ),
        ),
        Panel(
            "Failed requests by code",
            "Answers that were a problem, by its code: the client's mistakes, a full grid, and errors.",
            "reqps",
            ((rates(f"failed_requests_total{{{GATEWAY}}}", "code"), "{{code}}"),),
        ),
        Panel(
            "Cars by result",
            "Requests to charge at the gateway, by what became of them.",
            "reqps",
            ((rates(f"charge_requests_total{{{GATEWAY}}}", "result"), "{{result}}"),),
            stacked=True,
        ),
        Panel(
            "Balancer reachable",
            "Whether each gateway gets an answer from the balancer (1) or not (0).",
            "short",
            ((f"balancer_reachable{{{GATEWAY}}}", "{{pod}}"),),
            top=1,
        ),
        Panel(
            "Sessions as the gateway sees them",
            "Sessions of the whole grid, asked of the balancer at each scrape, and clients that follow one by events.",
            "short",
            (
                (f"max(active_sessions{{{GATEWAY}}})", "sessions"),
                (f"sum(session_followers{{{GATEWAY}}})", "followers"),
            ),
        ),
        Panel(
            "Circuit breakers",
            "Gateways that fail calls at once, substations that are spared cars, and substations that are asked last.",
            "short",
            (
                (f"sum(gateway_breaker_open{{{GATEWAY}}})", "gateways, open"),
                (f"sum(max by (substation) (balancer_breaker_open{{{BALANCER}}}))", "substations, open"),
                (f"sum(max by (substation) (substation_slow{{{BALANCER}}}))", "substations, slow"),
            ),
        ),
        Panel(
            "Second sendings",
            "Calls that a balancer did not answer, by whether the gateway's budget let them be sent again.",
            "reqps",
            ((rates(f"gateway_second_sendings_total{{{GATEWAY}}}", "result"), "{{result}}"),),
        ),
        Panel(
            "Requests refused",
            "Answered 503 overloaded, by service and kind.",
            "reqps",
            (
                (
                    rates(
                        f'http_requests_refused_total{{job=~"substation|balancer|gateway|edge", {GRID}}}', "job, kind"
                    ),
                    "{{job}} {{kind}}",
                ),
            ),
        ),
    ),
)

PROCESSES = Row(
    "Processes",
    7,
    (
        Panel(
            "Up",
            "Processes of each service that Prometheus reaches.",
            "short",
            ((f'sum by (job) (up{{job=~"substation|balancer|gateway|edge", {GRID}}})', "{{job}}"),),
        ),
        Panel(
            "CPU",
            "CPU seconds used per second, by process.",
            "short",
            (
                (
                    f'rate(process_cpu_seconds_total{{job=~"substation|balancer|gateway|edge", {GRID}}}[{RATE}])',
                    "{{pod}}",
                ),
            ),
        ),
        Panel(
            "Memory",
            "Resident memory, by process.",
            "bytes",
            ((f'process_resident_memory_bytes{{job=~"substation|balancer|gateway|edge", {GRID}}}', "{{pod}}"),),
        ),
    ),
)

ONE = Row(
    "$substation",
    9,
    (
        Panel(
            "Load against capacity",
            "What its cars could take (demand), what they get (load), what they are promised (guaranteed), the limit.",
            "kwatt",
            (
                (f"total_capacity{{{SUBSTATION}}}", "capacity"),
                (f"demand_power_kw{{{SUBSTATION}}}", "demand"),
                (f"current_load{{{SUBSTATION}}}", "load"),
                (f"committed_power_kw{{{SUBSTATION}}}", "guaranteed"),
            ),
            width=16,
            dashed="capacity",
        ),
        Panel(
            "Load and guaranteed",
            "In % of its capacity, as the balancers see it.",
            "percent",
            (
                (f"max(substation_load_percentage{{{BALANCER_ON}}})", "load"),
                (f"max(substation_committed_percentage{{{BALANCER_ON}}})", "guaranteed"),
            ),
            kind="bars",
            steps=LOAD_STEPS,
            top=100,
            decimals=0,
        ),
        Panel(
            "Sessions",
            "Sessions that have not ended, those of them without power, and cars that wait, also as balancers see it.",
            "short",
            (
                (f"active_chargers{{{SUBSTATION}}}", "active"),
                (f"suspended_sessions{{{SUBSTATION}}}", "suspended"),
                (f"waiting_sessions{{{SUBSTATION}}}", "waiting"),
                (f"max(substation_waiting_sessions{{{BALANCER_ON}}})", "waiting, seen by balancers"),
            ),
        ),
        Panel(
            "Requests by result",
            "Requests to charge that reached it.",
            "reqps",
            ((rates(f"charging_requests_total{{{SUBSTATION}}}", "result"), "{{result}}"),),
            stacked=True,
        ),
        Panel(
            "Refusals by reason",
            "Requests to charge that it refused.",
            "reqps",
            ((rates(f"charging_rejections_total{{{SUBSTATION}}}", "reason"), "{{reason}}"),),
        ),
        Panel(
            "Session durations",
            f"Of the sessions that ended in the last {SESSION_WINDOW}, by its own clock.",
            "s",
            (
                (quantile(0.5, f"charging_duration_seconds_bucket{{{SUBSTATION}}}", window=SESSION_WINDOW), "50th"),
                (quantile(0.95, f"charging_duration_seconds_bucket{{{SUBSTATION}}}", window=SESSION_WINDOW), "95th"),
            ),
        ),
        Panel(
            "Cars sent here",
            "Cars that the balancers placed on it.",
            "reqps",
            ((f"sum(rate(routing_decisions_total{{{BALANCER_ON}}}[{RATE}]))", "cars"),),
        ),
        Panel(
            "View at each balancer",
            "Time since each balancer last heard of it.",
            "s",
            ((f"fleet_view_age_seconds{{{BALANCER_ON}}}", "{{pod}}"),),
        ),
        Panel(
            "In rotation at each balancer",
            "Whether each balancer sends it cars (1) or not (0).",
            "short",
            ((f"substation_in_rotation{{{BALANCER_ON}}}", "{{pod}}"),),
            top=1,
        ),
        Panel(
            "Volume",
            "Size of the volume with its sessions, and what is free of it.",
            "bytes",
            (
                (f"data_volume_size_bytes{{{SUBSTATION}}}", "size"),
                (f"data_volume_free_bytes{{{SUBSTATION}}}", "free"),
            ),
        ),
        Panel(
            "CPU",
            "CPU seconds used per second.",
            "short",
            ((f"rate(process_cpu_seconds_total{{{SUBSTATION}}}[{RATE}])", "{{pod}}"),),
        ),
    ),
)


def grid_dashboard() -> dashboard.Dashboard:
    """The whole grid, from power to processes."""
    rows = (NOW, BUSINESS, POWER, CARS, WAITING, CHARGERS, ROUTING, ENTRY, PROCESSES)
    made = _dashboard(
        "smart-grid",
        "Smart grid",
        "The whole grid: business, power, cars, waiting, chargers, routing, the gateway, processes.",
        rows,
    )
    made.with_variable(_substation_variable(several=True))
    return made.link(_link("One substation", "/d/smart-grid-substation"))


def substation_dashboard() -> dashboard.Dashboard:
    """One substation, chosen by a variable."""
    made = _dashboard("smart-grid-substation", "Smart grid: one substation", "One substation in all detail.", (ONE,))
    made.with_variable(_substation_variable(several=False))
    return made.link(_link("The whole grid", "/d/smart-grid"))


DASHBOARDS = {"smart-grid.json": grid_dashboard, "smart-grid-substation.json": substation_dashboard}


def render(name: str) -> str:
    """The file's text, the same in every run."""
    encoder = JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False)
    return encoder.encode(DASHBOARDS[name]().build()) + "\n"


def _dashboard(uid: str, title: str, description: str, rows: Sequence[Row]) -> dashboard.Dashboard:
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["smart-grid"])
        .refresh("5s")
        .time("now-15m", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .editable()
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(_namespace_variable())
    )
    top = 0
    identifier = 1
    for row in rows:
        made.with_row(dashboard.Row(row.title).grid_pos(GridPos(h=1, w=COLUMNS, x=0, y=top)).id(1000 + top))
        top += 1
        left = 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                top, left = top + row.height, 0
            position = GridPos(h=row.height, w=panel.width, x=left, y=top)
            made.with_panel(_KINDS[panel.kind](panel, position, identifier))
            left, identifier = left + panel.width, identifier + 1
        top += row.height
    return made


def _namespace_variable() -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable("namespace")
        .label("Grid")
        .datasource(DATASOURCE)
        .query('label_values(total_capacity{job="substation"}, namespace)')
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .include_all(True)
        .all_value(".*")
        .multi(True)
    )


def _substation_variable(*, several: bool) -> dashboard.QueryVariable:
    made = (
        dashboard.QueryVariable("substation")
        .label("Substation")
        .datasource(DATASOURCE)
        .query('label_values(total_capacity{job="substation", namespace=~"$namespace"}, pod)')
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.NATURAL_ASC)
    )
    return made.include_all(True).all_value(".*").multi(True) if several else made


def _link(title: str, url: str) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(title).type(DashboardLinkType.LINK).url(url).keep_time(True).include_vars(True)


def _lines(panel: Panel, position: GridPos, identifier: int) -> timeseries.Panel:
    made = (
        timeseries.Panel()
        .line_width(2 if not panel.stacked else 1)
        .fill_opacity(40 if panel.stacked else 8)
        .show_points(VisibilityMode.NEVER)
        .min(0)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    )
    if panel.stacked:
        made.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    if panel.top is not None:
        made.max(panel.top)
    if panel.dashed is not None:
        dashes = DynamicConfigValue(id_val="custom.lineStyle", value={"fill": "dash", "dash": [8, 6]})
        made.override_by_name(panel.dashed, [dashes])
    return _finish(made, panel, position, identifier)


def _number(panel: Panel, position: GridPos, identifier: int) -> stat.Panel:
    return _finish(stat.Panel().reduce_options(_last()), panel, position, identifier)


def _bars(panel: Panel, position: GridPos, identifier: int) -> bargauge.Panel:
    made = (
        bargauge.Panel()
        .reduce_options(_last())
        .display_mode(BarGaugeDisplayMode.BASIC)
        .orientation(VizOrientation.HORIZONTAL)
        .min(0)
        .max(panel.top or 100)
    )
    return _finish(made, panel, position, identifier)


_KINDS = {"lines": _lines, "number": _number, "bars": _bars}


def _finish(made: BuilderT, panel: Panel, position: GridPos, identifier: int) -> BuilderT:
    """What all kinds of panels have."""
    made.id(identifier).title(panel.title).description(panel.description).unit(panel.unit)
    made.datasource(DATASOURCE).grid_pos(position).thresholds(_thresholds(panel.steps))
    if panel.decimals is not None:
        made.decimals(panel.decimals)
    for number, (expression, legend) in enumerate(panel.queries):
        made.with_target(_query(expression, legend, chr(ord("A") + number), instant=panel.kind == "bars"))
    return made


def _query(expression: str, legend: str, ref_id: str, *, instant: bool) -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(ref_id).datasource(DATASOURCE)
    made.format(PromQueryFormat.TIME_SERIES)
    return made.instant() if instant else made.range()


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    found = [Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(found)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in DASHBOARDS:
        (FOLDER / name).write_text(render(name))


if __name__ == "__main__":
    main()
