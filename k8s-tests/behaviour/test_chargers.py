"""Chargers on the cluster: they charge through a Service, and what happens to the edge costs no energy and no limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cluster.backend import Backend
from cluster.shell import wait_until
from harness.api import KubeApi
from harness.chargers import Chargers, Seen, running_chargers
from harness.grid import Grid
from harness.helm import Helm
from harness.namespace import restricted_namespace
from harness.steps import pause

CAPACITY_KW = 15.0
LEASE_S = 60
SAFE_KW = 6 * 3 * 230 / 1000
"""What 6 A on three phases are: the safe current of each connector, as two of them fit in the capacity."""
SUBSTATIONS = ("grid-substation-0", "grid-substation-1", "grid-substation-2")
PLACES = [(substation, f"{substation[-1]}-{number}") for substation in SUBSTATIONS for number in (1, 2)]
"""Two chargers each, one of OCPP 1.6 and one of 2.0.1."""
KWH = 0.001
BACK_S = 150
"""An edge that is gone is given up after a minute."""
SETTLED_S = 300
"""Limits rise once a minute at the most, and not before others have confirmed their lower ones."""


@pytest.fixture(scope="module")
def charging_grid(cluster: Backend, api: KubeApi, common_values: dict[str, object]) -> Iterator[Grid]:
    """Substations for two cars each, with two edges that let any charger in."""
    with restricted_namespace(api, "smart-grid-chargers") as namespace:
        helm = Helm(cluster, namespace, "grid")
        values = {
            **common_values,
            "substation.capacityKw": CAPACITY_KW,
            "substation.leaseSeconds": LEASE_S,
            "edge.enabled": True,
            "edge.registration": "open",
            "edge.meterIntervalSeconds": 5,
        }
        helm.install(values)
        yield Grid(api, cluster, namespace, "grid", helm)


@pytest.fixture(scope="module")
def connected(charging_grid: Grid) -> Iterator[Chargers]:
    with running_chargers(charging_grid, PLACES) as chargers:
        wait_until("all chargers to be connected", chargers.all_connected, timeout_s=60)
        yield chargers


@pytest.fixture
def chargers(charging_grid: Grid, connected: Chargers) -> Iterator[Chargers]:
    """A car at each, that charges; afterwards all have left."""
    charging_grid.set_capacity(CAPACITY_KW)
    wait_until("all chargers to be connected", connected.all_connected, timeout_s=60)
    leave(charging_grid, connected)  # whatever the test before has left
    connected.plug()
    wait_until("every car to charge", lambda: shares_are(connected, CAPACITY_KW), timeout_s=SETTLED_S)
    yield connected
    leave(charging_grid, connected)


def leave(grid: Grid, chargers: Chargers) -> None:
    chargers.unplug()
    wait_until("every session to end", lambda: open_sessions(grid) == [], timeout_s=60)


def shares_are(chargers: Chargers, capacity_kw: float) -> bool:
    """Both cars of each substation have their half of it, rounded down to whole tenths of an ampere."""
    half_kw = capacity_kw / 2
    return all(half_kw - 0.1 < each.power_kw <= half_kw for each in chargers.look().chargers.values())


def open_sessions(grid: Grid) -> list[dict[str, Any]]:
    return [session for name in SUBSTATIONS for session in grid.sessions(name) if session["ended_at"] is None]


def ids_of(sessions: list[dict[str, Any]]) -> dict[str, str]:
    """The one session of each charger."""
    found = [session["charger"] for session in sessions]
    assert Counter(found).most_common(1)[0][1] == 1, "a car has two sessions"
    return {session["charger"]: session["session_id"] for session in sessions}


def test_cars_charge_through_the_service_and_follow_the_capacity(charging_grid: Grid, chargers: Chargers) -> None:
    sessions = open_sessions(charging_grid)
    assert set(ids_of(sessions)) == set(chargers.names)
    for capacity_kw in (9.0, 12.0):
        lowered = chargers.look().now_s
        charging_grid.set_capacity(capacity_kw)
        wait_until(
            f"all to share {capacity_kw} kW", lambda kw=capacity_kw: shares_are(chargers, kw), timeout_s=SETTLED_S
        )
        assert most_drawn_kw(chargers.look(), lowered) <= CAPACITY_KW


def most_drawn_kw(seen: Seen, since_s: float) -> float:
    return max(seen.most_kw(substation, since_s) for substation in SUBSTATIONS)


def test_a_rolling_update_of_the_edge_costs_no_session_and_no_energy(
    charging_grid: Grid, chargers: Chargers, tell: Callable[[str], None]
) -> None:
    before = chargers.look()
    known = ids_of(open_sessions(charging_grid))
    begun_kwh = delivered_kwh(charging_grid)
    charging_grid.restart("edge")
    wait_until("all chargers to be back", chargers.all_connected, timeout_s=60)
    wait_until("every car to charge as before", lambda: shares_are(chargers, CAPACITY_KW), timeout_s=SETTLED_S)
    after = chargers.look()
    assert all(after.chargers[name].connections > before.chargers[name].connections for name in chargers.names)
    assert ids_of(open_sessions(charging_grid)) == known
    assert most_drawn_kw(after, before.now_s) <= CAPACITY_KW
    leave(charging_grid, chargers)
    registers_kwh = {name: charger.register_kwh for name, charger in chargers.look().chargers.items()}
    found_kwh = delivered_kwh(charging_grid)
    assert {name: round(kwh, 3) for name, kwh in found_kwh.items()} == pytest.approx(registers_kwh, abs=2 * KWH)
    tell(f"{sum(found_kwh.values()) - sum(begun_kwh.values()):.3f} kWh over the update, all of them on record")


def delivered_kwh(grid: Grid) -> dict[str, float]:
    """The energy of all sessions of each charger, ended ones too."""
    found: Counter[str] = Counter()
    for name in SUBSTATIONS:
        for session in grid.sessions(name):
            found[session["charger"]] += session["delivered_kwh"]
    return dict(found)


def test_cut_off_from_its_substation_an_edge_has_cars_at_the_safe_current_within_a_lease_and_the_books_say_so(
    charging_grid: Grid, chargers: Chargers, tell: Callable[[str], None]
) -> None:
    cut, *others = SUBSTATIONS
    begun = chargers.look().now_s
    with charging_grid.cut_off("edge", charging_grid.pod(cut)):
        wait_until(
            "its cars to fall to the safe current", lambda: draws(chargers, cut) <= 2 * SAFE_KW, timeout_s=LEASE_S + 15
        )
        fell_s = chargers.look().now_s - begun
        wait_until("the books to say so", lambda: booked_kw(charging_grid, cut) <= 2 * SAFE_KW + KWH, timeout_s=LEASE_S)
        assert all(abs(draws(chargers, other) - CAPACITY_KW) < 0.5 for other in others)
        assert draws(chargers, cut) > 0
    tell(f"the cars of the substation that was cut off had the safe current after {fell_s:.0f} s")
    wait_until("every car to charge as before", lambda: shares_are(chargers, CAPACITY_KW), timeout_s=SETTLED_S)
    assert most_drawn_kw(chargers.look(), begun) <= CAPACITY_KW


def draws(chargers: Chargers, substation: str) -> float:
    """kW that the chargers of a substation draw now, by their own meters."""
    seen = chargers.look()
    return sum(seen.chargers[name].power_kw for at, name in chargers.places if at == substation)


def booked_kw(grid: Grid, substation: str) -> float:
    return float(sum(session["held_kw"] for session in grid.sessions(substation) if session["ended_at"] is None))


def test_a_third_edge_gets_the_chargers_of_its_substations_no_other_moves_and_they_come_back_without_it(
    charging_grid: Grid, chargers: Chargers, tell: Callable[[str], None]
) -> None:
    before, at_edge = chargers.look(), all_edges_of(charging_grid, chargers)
    charging_grid.scale("edge", 3)
    try:
        charging_grid.wait_for_rollout("edge")
        wait_until(
            "a charger at the third edge", lambda: "grid-edge-2" in edges_of(charging_grid).values(), timeout_s=120
        )
        pause("others to move, if they would", 30)
        wait_until("all chargers to be connected", chargers.all_connected, timeout_s=60)
        after, now_at = chargers.look(), all_edges_of(charging_grid, chargers)
    finally:
        charging_grid.scale("edge", 2)
        charging_grid.wait_for_rollout("edge")
    wait_until("its chargers to be with the others", lambda: edges_of(charging_grid) == at_edge, timeout_s=BACK_S)
    moved = {name for name in chargers.names if now_at[name] != at_edge[name]}
    tell(f"{len(moved)} of {len(chargers.names)} chargers moved to the third edge")
    assert {now_at[name] for name in moved} == {"grid-edge-2"}
    reconnected = {n for n in chargers.names if after.chargers[n].connections > before.chargers[n].connections}
    assert reconnected == moved
    by_substation = {(at, now_at[name]) for at, name in chargers.places}
    assert len(by_substation) == len(SUBSTATIONS), "the chargers of a substation are at one edge"


def all_edges_of(grid: Grid, chargers: Chargers) -> dict[str, str | None]:
    """As the first list tells it in which all are connected."""
    found: dict[str, str | None] = {}

    def are_all_there() -> bool:
        found.clear()
        found.update(edges_of(grid))
        return set(found) == set(chargers.names)

    wait_until("all to be listed", are_all_there, timeout_s=30)
    return found


def edges_of(grid: Grid) -> dict[str, str | None]:
    """At which edge each charger is, as the gateway tells it; nobody where it says that some are missing."""
    page = grid.ask_gateway("GET", "/chargers?limit=100")
    listed = [] if "Smartgrid-Unreachable" in page.headers else page.json()["chargers"]
    return {charger["charger"]: charger["edge"] for charger in listed if charger["connected"]}
