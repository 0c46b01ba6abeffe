"""An edge's grid against real substations and a real balancer, killed, restarted, moved and cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.grid.harness import LONGEST_S, Running, end_order, report, running, start_order
from smartgrid.edge.ports import Offers, OpenSession, Outcome
from support.grid import sessions
from support.ports import free_port
from support.processes import Process, frozen, wait_until
from support.tcp_proxy import Fault, TcpProxy


@pytest.fixture
def substation(tmp_path: Path) -> Iterator[Process]:
    with Process("substation", tmp_path / "s0", name="s0", capacity_kw=22.0, lease_s=30) as found:
        yield found


@pytest.fixture
def edge(substation: Process) -> Iterator[Running]:
    with running({"s0": substation.url}) as found:
        found.watch()
        yield found


def begun(edge: Running, key: str = "k1", **changes: Any) -> OpenSession:
    outcome, session, why = edge.started(start_order(key, **changes))
    assert outcome is Outcome.DONE, why
    assert isinstance(session, OpenSession)
    return session


def offered(edge: Running, session_id: str, at_least_kw: float = 0.0, at_most_kw: float = 1e9) -> OpenSession:
    """The session, once its offer is within these bounds."""

    def find() -> OpenSession | None:
        latest: Offers | None = edge.heard.of("s0")[-1] if edge.heard.of("s0") else None
        found = [each for each in latest.sessions if each.session_id == session_id] if latest else []
        return found[0] if found and at_least_kw <= found[0].offer_kw <= at_most_kw else None

    wait_until(lambda: find() is not None, LONGEST_S, f"{session_id} is offered {at_least_kw} to {at_most_kw} kW")
    found = find()
    assert found is not None
    return found


def test_a_car_that_plugs_in_is_offered_power_at_once_and_its_session_is_ours(edge: Running) -> None:
    session = begun(edge)

    found = offered(edge, session.session_id, at_least_kw=21.0)

    assert found.is_ours
    assert (found.charger, found.connector, found.transaction_id, found.meter_kwh) == ("CP-1", 1, "77", 12.5)


def test_a_repeated_start_is_the_same_session(edge: Running) -> None:
    assert begun(edge).session_id == begun(edge, held_kw=9.0, meter_kwh=13.0).session_id


def test_a_second_car_gets_its_share_only_when_the_first_is_confirmed_to_have_less(edge: Running) -> None:
    safe = {"fallback_kw": 0.0, "held_kw": 0.0}
    first = begun(edge, **safe)
    whole = offered(edge, first.session_id, at_least_kw=21.0)
    edge.report(report(first.session_id, whole.number, held_kw=whole.offer_kw, fallback_kw=0.0))
    second = begun(edge, "k2", connector=2, transaction_id="78", vehicle_id="TAG-2", **safe)
    less = offered(edge, first.session_id, at_most_kw=12.0)
    assert offered(edge, second.session_id).offer_kw == 0.0

    edge.report(report(first.session_id, less.number, held_kw=less.offer_kw, fallback_kw=0.0))

    offered(edge, second.session_id, at_least_kw=10.0)


def test_an_end_is_the_registers_energy(substation: Process, edge: Running) -> None:
    session = begun(edge)

    assert edge.ended(end_order(session_id=session.session_id, energy_kwh=7.25)) == (Outcome.DONE, "")

    (shown,) = sessions(substation)
    assert (shown["delivered_kwh"], shown["end_reason"]) == (7.25, "Departed")
    edge.report(report(session.session_id))
    wait_until(lambda: edge.heard.lost == [("s0", (session.session_id,))], LONGEST_S, "it is told that it is gone")


def test_a_substation_that_is_killed_and_started_again_goes_on_with_its_sessions(
    substation: Process, edge: Running
) -> None:
    session = begun(edge)
    before = offered(edge, session.session_id, at_least_kw=21.0)
    edge.report(report(session.session_id, before.number, held_kw=before.offer_kw, energy_kwh=1.5))
    wait_until(lambda: edge.reports("taken") >= 1, LONGEST_S, "the report is taken")
    epoch = edge.heard.offers[-1].epoch

    substation.kill()
    wait_until(lambda: not edge.do(edge.grid.states)[0].is_reached, LONGEST_S, "it is away")
    told = len(edge.heard.offers)
    substation.restart()

    wait_until(lambda: len(edge.heard.offers) > told, LONGEST_S, "it offers again")
    again = offered(edge, session.session_id)
    assert edge.heard.offers[-1].epoch != epoch
    assert again.is_ours
    assert again.number > before.number
    wait_until(lambda: edge.reports("taken") >= 2, LONGEST_S, "it is told everything anew")


def test_what_is_reported_while_it_is_away_is_told_when_it_is_back(substation: Process, edge: Running) -> None:
    session = begun(edge)
    number = offered(edge, session.session_id, at_least_kw=21.0).number
    substation.kill()

    edge.report(report(session.session_id, number, held_kw=21.0, energy_kwh=3.25))
    outcome, why = edge.ended(end_order(session_id=session.session_id))
    assert (outcome, "does not answer" in why) == (Outcome.LATER, True)
    substation.restart()

    def energy_kwh() -> float:
        return float(substation.call("GET", f"/charge/{session.session_id}").json()["delivered_kwh"])

    wait_until(lambda: energy_kwh() == 3.25, LONGEST_S, "its energy is known")


def test_a_claim_makes_the_edge_the_holder(substation: Process, edge: Running) -> None:
    session = begun(edge)
    with running({"s0": substation.url}) as other:
        other.watch()
        theirs = offered(other, session.session_id, at_least_kw=21.0)
        assert not theirs.is_ours

        other.do(other.grid.claim, "s0", session.session_id, theirs.number)

        wait_until(lambda: offered(other, session.session_id).is_ours, LONGEST_S, "the other edge holds it")
        wait_until(lambda: not offered(edge, session.session_id).is_ours, LONGEST_S, "this one no longer does")


def test_a_session_stopped_by_others_is_stopping_until_its_end_order(substation: Process, edge: Running) -> None:
    session = begun(edge)
    offered(edge, session.session_id, at_least_kw=21.0)

    assert substation.call("DELETE", f"/charge/{session.session_id}").status == 200

    stopping = offered(edge, session.session_id, at_most_kw=0.0)
    assert stopping.state == "Stopping"
    edge.ended(end_order(session_id=session.session_id))
    wait_until(lambda: not edge.heard.offers[-1].sessions, LONGEST_S, "it is gone")


def test_connectors_are_in_the_substations_status(substation: Process, edge: Running) -> None:
    edge.do(edge.grid.connectors, "s0", 4, 3)

    def free() -> int | None:
        found = substation.call("GET", "/status").json().get("free_connectors")
        return None if found is None else int(found)

    wait_until(lambda: free() == 3, LONGEST_S, "its status has them")


def test_a_substation_that_hangs_is_given_up_and_found_again(substation: Process, edge: Running) -> None:
    session = begun(edge)
    offered(edge, session.session_id, at_least_kw=21.0)

    with frozen(substation):
        wait_until(lambda: not edge.do(edge.grid.states)[0].is_reached, LONGEST_S, "it is given up")
        told = len(edge.heard.offers)

    wait_until(lambda: len(edge.heard.offers) > told, LONGEST_S, "it offers again")


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.LOST, Fault.HELD, Fault.DEAF])
def test_a_network_that_is_cut_lets_no_lease_grow_and_heals(substation: Process, fault: Fault) -> None:
    with TcpProxy(substation.port) as proxy, running({"s0": proxy.url}) as edge:
        edge.watch()
        session = begun(edge)
        number = offered(edge, session.session_id, at_least_kw=21.0).number

        proxy.fail(fault)
        wait_until(lambda: not edge.do(edge.grid.states)[0].is_reached, LONGEST_S, "it is given up")
        told, lease_end_s = len(edge.heard.offers), edge.heard.offers[-1].lease_end_s
        edge.report(report(session.session_id, number, held_kw=6.0, energy_kwh=2.0))
        assert edge.heard.offers[-1].lease_end_s == lease_end_s
        proxy.mend()

        wait_until(lambda: len(edge.heard.offers) > told, LONGEST_S, "it offers again")
        for earlier, later in zip(edge.heard.offers, edge.heard.offers[1:], strict=False):
            assert later.asked_s > earlier.asked_s
        wait_until(lambda: edge.reports("taken") >= 1, LONGEST_S, "the report has arrived")


def test_an_edge_starts_and_orders_while_the_balancer_is_away_and_learns_of_a_new_address(tmp_path: Path) -> None:
    """As of a pod that comes back with another address, while its edge goes on."""
    folder, kept = tmp_path / "s0", tmp_path / "edge"
    kept.mkdir()
    first, second = (
        Process("substation", folder, port=free_port(), name="s0", capacity_kw=22.0, lease_s=30) for _ in range(2)
    )
    balancer = Process("balancer", tmp_path / "balancer", substations=f"s0={first.url}", poll_interval_s=0.25)
    with first, balancer:
        with running(balancer_url=balancer.url, data_dir=kept) as edge:
            wait_until(lambda: edge.do(edge.grid.knows, "s0"), LONGEST_S, "the balancer has named it")
            wait_until((kept / "substations.json").exists, LONGEST_S, "and it is kept")
        balancer.kill()

        with running(balancer_url=balancer.url, data_dir=kept) as edge:
            edge.watch()
            session = begun(edge)
            offered(edge, session.session_id, at_least_kw=21.0)
            first.kill()
            balancer.settings["substations"] = f"s0={second.url}"
            with second, balancer:
                told = len(edge.heard.offers)
                wait_until(lambda: len(edge.heard.offers) > told, LONGEST_S, "it is found at its new address")
                assert begun(edge).session_id == session.session_id
