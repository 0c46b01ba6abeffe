"""The fleet between chargers and substations: whose sessions are whose, what is told to whom, what comes back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from smartgrid.edge.chargers.desk import FOUND_AFTER_S
from smartgrid.edge.chargers.safe_plans import RAISE_SPACING_S
from smartgrid.edge.chargers.sessions import NotGoneError
from smartgrid.edge.limits.pace import RISE_SPACING_S
from smartgrid.edge.ports import CallFailure, CarState, ChargerSpec, ConnectorSpec, OcppVersion, Outcome
from smartgrid.edge.transactions.deliveries import MOST_DELAY_S, MOST_UNUSABLE
from support.edge_fleet import LEASE_S, SUBSTATION, ScriptedLink, World

V201 = OcppVersion.V201
TAG = {"idToken": "TAG", "type": "ISO14443"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def charging(world: World, name: str = "CP1", meter: int = 0) -> tuple[ScriptedLink, int]:
    """A car that charges with 11 kW."""
    link = world.connect(name)
    world.offer()
    world.status(link, "Charging")
    transaction = world.start(link, meter=meter)
    world.offer(11.0)
    link.profiles()
    world.clock.run(2)
    link.profiles()
    return link, transaction


# ---------------------------------------------------------------------- limits


def test_a_fall_goes_out_at_once_and_the_report_frees_its_power_once_it_is_confirmed(world: World) -> None:
    link, transaction = charging(world)
    world.value(link, transaction, wh=0, w=10_900)
    world.offer(5.0)
    (call,) = link.take("SetChargingProfile")
    assert call.payload["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 7.2
    assert (world.grid.reports[-1].held_kw or 0) > 10.9

    call.accept()
    world.clock.run(10)
    world.value(link, transaction, wh=20, w=4_900)
    assert world.last_report().held_kw == pytest.approx(4.97, abs=0.05)


def test_a_fall_that_is_refused_frees_nothing(world: World) -> None:
    link, _ = charging(world)
    world.offer(5.0)
    for call in link.take("SetChargingProfile"):
        call.reject()
    assert (world.last_report().held_kw or 0) > 10.9


def test_every_answer_of_the_substation_renews_the_lease_and_a_profile_is_renewed_by_it(world: World) -> None:
    link, transaction = charging(world)
    for _ in range(60):
        world.clock.run(10)
        world.offer(11.0, number=2)
    assert link.profiles() == [("TxProfile", 15.9, transaction)]


def test_an_answer_that_says_nothing_new_is_passed_over_and_many_of_these_renew_the_profile_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, _ = charging(world)
    world.offer(11.0, number=7)
    link.profiles()
    looks: list[float] = []
    look = world.fleet.steering.look
    monkeypatch.setattr(world.fleet.steering, "look", lambda *about: (looks.append(world.clock.now_s), look(*about))[1])
    world.offer(11.0, number=7)
    assert looks == []
    for _ in range(600):
        world.clock.run(1)
        world.offer(11.0, number=7)
    assert [kind for kind, *_ in link.profiles()] == ["TxProfile"]
    world.offer(7.0, number=8)
    assert [limit for _, limit, _ in link.profiles()] == [10.1]


def test_without_answers_no_profile_is_renewed_and_what_is_held_falls_to_the_safe_current(world: World) -> None:
    link, _ = charging(world)
    world.clock.run(2)
    link.profiles()
    world.clock.run(1000)
    assert link.profiles() == []
    assert world.last_report().held_kw == world.last_report().fallback_kw == pytest.approx(4.14, abs=0.01)


def test_no_profile_names_a_transaction_whose_start_is_not_answered(world: World) -> None:
    link = world.connect()
    world.offer()
    link.profiles()
    world.inbox.is_full = True
    world.start(link)
    world.offer(11.0)
    world.clock.run(30)
    assert link.profiles() == []
    world.inbox.is_full = False
    world.inbox.write()
    world.offer(11.0)
    assert [limit for _, limit, _ in link.profiles()] == [15.9]


def test_a_charger_that_boots_gets_its_profiles_again(world: World) -> None:
    link, transaction = charging(world)
    link.say("BootNotification", chargePointVendor="V", chargePointModel="M")
    assert {(kind, at) for kind, _, at in link.profiles()} == {("TxDefaultProfile", None), ("TxProfile", transaction)}


def test_a_car_of_2x_gets_its_profile_by_its_own_transaction_id(world: World) -> None:
    link = world.connect(version=V201)
    world.offer()
    world.event(link, "Started", "a-b-c", car="Charging", token=TAG, evse=1, wh=0)
    world.offer(11.0)
    assert ("TxProfile", 15.9, None) in [(kind, limit, None) for kind, limit, _ in link.profiles()]
    assert world.grid.starts[0].transaction_id == "a-b-c"


def test_a_refused_car_is_held_at_0_and_asked_to_stop(world: World) -> None:
    world.refused_tags.add("THIEF")
    link = world.connect()
    world.offer()
    link.profiles()
    transaction = world.start(link, tag="THIEF")
    assert link.profiles() == []  # it has 0 A already
    assert link.take("RemoteStopTransaction") == []  # it may stop by itself
    world.clock.run(15)
    (stop,) = link.take("RemoteStopTransaction")
    assert stop.payload == {"transactionId": transaction}
    assert stop.is_first, "it does not wait for the answers to mere questions"


def test_a_start_that_the_substation_refuses_for_good_is_not_repeated_and_its_car_is_stopped(world: World) -> None:
    link = world.connect()
    world.grid.outcome = Outcome.REFUSED
    transaction = world.start(link)
    world.grid.outcome = Outcome.DONE
    world.clock.run(120)
    assert world.grid.starts == []
    assert link.take("RemoteStopTransaction")[0].payload == {"transactionId": transaction}


# ---------------------------------------------------------------------- safe currents


def safe_currents(link: ScriptedLink) -> list[float]:
    return [limit for kind, limit, _ in link.profiles() if kind == "TxDefaultProfile"]


def test_a_connector_without_a_session_has_0_a_first_of_all(world: World) -> None:
    assert safe_currents(world.connect(is_settled=False)) == [0.0]


def test_also_one_that_was_not_registered_once_it_is_named(world: World) -> None:
    link = world.connect()
    world.status(link, "Available", connector=2)
    world.clock.run(1)
    (call,) = link.take("SetChargingProfile")
    assert call.payload["connectorId"] == 2
    assert world.known.about[link.charger].connectors == 2


def test_a_safe_current_comes_with_the_power_of_a_session_and_goes_with_it(world: World) -> None:
    link = world.connect()
    transaction = world.start(link)
    world.offer(0.0, state="Waiting")
    world.clock.run(2)
    assert safe_currents(link) == []
    world.offer(11.0)
    world.clock.run(2)
    assert safe_currents(link) == [6.0]
    world.stop(link, transaction, 1000)
    assert safe_currents(link) == [0.0]


def test_it_is_in_the_books_before_the_charger_has_it(world: World) -> None:
    link = world.connect()
    world.start(link)
    world.grid.is_silent = True
    world.offer(11.0)
    world.clock.run(5)
    assert world.grid.reports[-1].fallback_kw == 4.14
    assert safe_currents(link) == []
    world.grid.is_silent = False
    world.clock.run(1)
    assert safe_currents(link) == [6.0]


def test_an_end_is_told_once_the_safe_current_is_gone(world: World) -> None:
    link, transaction = charging(world)
    world.stop(link, transaction, 1000)
    world.clock.run(2)
    assert world.grid.ends == []
    assert safe_currents(link) == [0.0]
    world.clock.run(1)
    assert len(world.grid.ends) == 1


@pytest.mark.parametrize("is_away", [True, False])
def test_or_after_a_while_and_at_once_if_the_charger_is_away(world: World, is_away: bool) -> None:
    link, transaction = charging(world)
    world.stop(link, transaction, 1000)
    if is_away:
        world.fleet.disconnected(link)
    world.clock.run(2 if is_away else 12)
    assert len(world.grid.ends) == 1


def two_cars(world: World) -> tuple[ScriptedLink, ScriptedLink]:
    """Begun one after the other, at chargers whose names are the other way round."""
    older, newer = world.connect("Z-OLDER"), world.connect("A-NEWER")
    world.start(older, tag="A")
    world.clock.run(1)
    world.start(newer, tag="B")
    return older, newer


def test_the_safe_currents_of_all_sessions_fit_the_firm_capacity_the_older_first(world: World) -> None:
    older, newer = two_cars(world)
    world.offer(11.0, 11.0, firm_kw=6.0)
    world.clock.run(2)
    assert (safe_currents(older), safe_currents(newer)) == ([6.0], [])


def test_they_fall_at_once_when_the_firm_capacity_falls(world: World) -> None:
    older, newer = two_cars(world)
    world.offer(11.0, 11.0)
    world.clock.run(2)
    assert safe_currents(older) == safe_currents(newer) == [6.0]
    world.offer(5.9, 0.0, firm_kw=6.0)
    assert (safe_currents(older), safe_currents(newer)) == ([], [0.0])


def test_one_that_was_lowered_rises_after_an_hour_at_the_earliest(world: World) -> None:
    older, newer = two_cars(world)
    world.offer(11.0, 11.0)
    world.clock.run(2)
    world.offer(11.0, 11.0, firm_kw=6.0)
    assert (safe_currents(older), safe_currents(newer)) == ([6.0], [6.0, 0.0])
    fell_s = world.clock.now_s
    while world.clock.now_s < fell_s + RAISE_SPACING_S - 120:
        world.offer(11.0, 11.0)
        world.clock.run(60)
    assert safe_currents(newer) == []
    for _ in range(4):
        world.offer(11.0, 11.0)
        world.clock.run(60)
    assert safe_currents(newer) == [6.0]


def test_what_a_car_that_has_gone_may_still_have_is_not_given_to_another(world: World) -> None:
    gone, newer = world.connect("GONE"), world.connect("NEWER")
    transaction = world.start(gone, tag="A")
    world.offer(11.0, firm_kw=5.0)
    world.clock.run(2)
    world.stop(gone, transaction, 1000)
    world.start(newer, tag="B")
    world.offer(0.0, 11.0, firm_kw=5.0)
    world.clock.run(2)
    assert safe_currents(newer) == []
    assert safe_currents(gone) == [6.0, 0.0]
    world.clock.run(61)
    assert safe_currents(newer) == [6.0]


def test_a_car_keeps_its_safe_current_over_a_restart_of_the_edge_while_its_substation_is_away(world: World) -> None:
    charging(world)
    world.restart()
    assert safe_currents(world.connect(is_settled=False)) == [6.0]


def test_no_car_is_let_in_before_its_charger_has_confirmed_its_safe_current(world: World) -> None:
    world.offer()
    link = world.connect(is_settled=False)
    assert link.say("Authorize", idTag="TAG") is None
    assert world.start(link) is None
    world.clock.run(2)
    assert world.grid.starts == []

    link.profiles()
    world.clock.run(1)
    assert len(link.answers) == 2
    assert [order.held_kw for order in world.grid.starts] == [0.0]


def test_nor_does_it_wait_for_ever(world: World) -> None:
    link = world.connect(is_settled=False)
    world.start(link)
    world.clock.run(10)
    assert len(link.answers) == 1
    assert [order.held_kw for order in world.grid.starts] == [pytest.approx(22.08)]


def test_a_charger_whose_limits_are_not_confirmed_is_answered_all_else(world: World) -> None:
    link = world.connect(is_settled=False)
    assert link.say("BootNotification")["status"] == "Accepted"
    assert link.say("Heartbeat") is not None


# ---------------------------------------------------------------------- whose a session is


def test_a_session_of_another_edge_is_claimed_and_its_offer_is_not_acted_on(world: World) -> None:
    link, transaction = charging(world)
    world.restart()
    link = world.connect(is_settled=False)
    world.offer(7.0, number=5, is_ours=False)
    assert world.grid.claims == [("s1", 5)]
    assert [kind for kind, _, _ in link.profiles()] == ["TxDefaultProfile"]

    world.offer(7.0, number=6, is_ours=True)
    assert link.profiles() == [("TxProfile", 10.1, transaction)]


def test_one_that_was_ours_and_is_anothers_now_means_that_our_connection_is_the_older(world: World) -> None:
    link, _ = charging(world)
    world.offer(11.0, is_ours=False)
    assert link.closed == 1001
    assert world.grid.claims == []


def test_a_charger_that_comes_back_from_another_edge_is_claimed_and_not_sent_away(world: World) -> None:
    world.has_peers = True
    world.restart()
    charging(world)
    world.clock.run(1)
    link = world.connect(is_settled=False)
    world.offer(11.0, number=9, is_ours=False)
    assert link.closed is None
    assert world.grid.claims == [("s1", 9)]


def test_a_start_whose_session_was_there_before_does_not_make_it_ours_so_the_charger_stays_connected(
    world: World,
) -> None:
    """Its edge was killed before it had heard that its substation had taken the order."""
    world.grid.loses_answers = True
    link = world.connect()
    world.start(link)
    world.restart()
    link = world.connect(is_settled=False)
    world.grid.loses_answers = False
    world.clock.run(40)
    assert len(world.grid.starts) > 1

    world.offer(11.0, number=7, is_ours=False)

    assert (link.closed, world.grid.claims) == (None, [("s1", 7)])


def test_what_a_charger_holds_is_not_known_until_it_confirms_a_limit_on_this_connection(world: World) -> None:
    charging(world)
    world.restart()
    link = world.connect()
    world.offer(7.0)
    assert world.last_report().held_kw is None
    link.profiles()
    assert world.last_report().held_kw is not None


def test_offers_of_before_are_done_with_also_while_the_charger_is_away(world: World) -> None:
    link, _ = charging(world)
    world.fleet.disconnected(link)
    world.offer(5.0)
    report = world.last_report()
    assert (report.number, report.held_kw) == (world.last_number, pytest.approx(10.97, abs=0.01))

    world.clock.run(LEASE_S)
    world.offer(5.0)
    report = world.last_report()
    assert (report.number, report.held_kw) == (world.last_number, report.fallback_kw)


def test_a_session_whose_charger_has_been_away_for_a_lease_is_given_back(world: World) -> None:
    link, _ = charging(world)
    world.fleet.disconnected(link)
    world.clock.run(LEASE_S)
    world.offer(5.0)
    assert world.grid.given_back == []

    world.clock.run(1)
    world.offer(5.0)
    assert world.grid.given_back == [("s1", world.last_number)]


def test_one_that_another_edge_holds_is_not(world: World) -> None:
    link, _ = charging(world)
    world.fleet.disconnected(link)
    world.clock.run(LEASE_S + 1)
    world.offer(5.0, is_ours=False)
    assert (world.grid.given_back, world.grid.claims) == ([], [])


def test_a_charger_that_comes_back_after_that_is_claimed_and_keeps_its_connection(world: World) -> None:
    link, _ = charging(world)
    world.fleet.disconnected(link)
    world.clock.run(LEASE_S + 1)
    world.offer(5.0)
    again = world.connect()
    world.offer(5.0, number=world.last_number)  # on its way since before
    assert again.closed is None
    world.offer(0.0, is_ours=False)
    assert (world.grid.claims, again.closed) == ([("s1", world.last_number)], None)

    world.offer(5.0)
    assert ("TxProfile", 7.2) in [(purpose, limit) for purpose, limit, _ in again.profiles()]


def test_an_operator_ends_the_session_of_a_charger_that_has_been_away_for_a_lease(world: World) -> None:
    link, transaction = charging(world)
    world.value(link, transaction, wh=5000)
    with pytest.raises(NotGoneError, match="stop its session first"):
        world.fleet.sessions.end_absent(link.charger)

    world.fleet.disconnected(link)
    world.clock.run(LEASE_S - 10)
    world.offer(5.0)
    with pytest.raises(NotGoneError, match="ask again in 10 s"):
        world.fleet.sessions.end_absent(link.charger)
    assert world.grid.ends == []

    world.clock.run(11)
    world.offer(5.0)
    assert world.fleet.sessions.end_absent(link.charger) == 1
    world.clock.run(1)
    assert [end.energy_kwh for end in world.grid.ends] == [5.0]
    assert world.fleet.sessions.end_absent(link.charger) == 0


def test_and_the_register_that_it_tells_later_counts(world: World) -> None:
    link, transaction = charging(world)
    world.fleet.disconnected(link)
    world.clock.run(LEASE_S - 10)
    world.offer(5.0)
    world.clock.run(11)
    world.offer(5.0)
    world.fleet.sessions.end_absent(link.charger)
    world.clock.run(1)

    world.stop(world.connect(), transaction, 7000)
    world.clock.run(20)
    assert world.grid.ends[-1].energy_kwh == 7.0


def test_an_edge_that_has_just_started_ends_it_too_once_it_has_watched_for_a_lease(world: World) -> None:
    link, _ = charging(world)
    world.restart()
    world.offer(0.0, is_ours=False)
    with pytest.raises(NotGoneError, match="ask again in"):
        world.fleet.sessions.end_absent(link.charger)

    world.clock.run(LEASE_S - 10)
    world.offer(0.0, is_ours=False)
    world.clock.run(11)
    world.offer(5.0, is_ours=False)
    with pytest.raises(NotGoneError, match="another edge"):
        world.fleet.sessions.end_absent(link.charger)

    world.offer(0.0, is_ours=False)
    assert world.fleet.sessions.end_absent(link.charger) == 1
    world.clock.run(1)
    assert len(world.grid.ends) == 1


def test_what_was_watched_before_a_gap_of_a_lease_does_not_count(world: World) -> None:
    link, _ = charging(world)
    world.fleet.disconnected(link)
    world.clock.run(2 * LEASE_S)  # meanwhile another edge may have had it
    world.offer(0.0, is_ours=False)
    with pytest.raises(NotGoneError, match="ask again in"):
        world.fleet.sessions.end_absent(link.charger)


def test_an_edge_that_has_just_come_ends_one_at_once_that_nobody_has_held_for_a_lease(world: World) -> None:
    link, _ = charging(world)
    world.restart()
    world.offer(0.0, is_ours=False, is_lapsed=True)
    assert world.fleet.sessions.end_absent(link.charger) == 1


def test_with_peers_no_limit_is_written_by_what_was_offered_before_the_connection(world: World) -> None:
    world.has_peers = True
    world.restart()
    link, transaction = charging(world)
    world.offer(20.0)
    world.fleet.disconnected(link)
    world.clock.run(1)
    link = world.connect()
    link.profiles()
    world.clock.run(RISE_SPACING_S)
    assert link.profiles() == []

    world.offer(20.0)
    assert link.profiles() == [("TxProfile", 28.9, transaction)]


def test_with_peers_an_answer_that_was_asked_for_before_the_connection_is_not_acted_on(world: World) -> None:
    link, _ = charging(world)
    world.has_peers = True
    world.restart()
    link = world.connect(is_settled=False)
    world.offer(7.0, asked_ago_s=1.0)
    assert [kind for kind, _, _ in link.profiles()] == ["TxDefaultProfile"]


def test_a_session_that_is_not_known_here_is_taken_over_with_its_register(world: World, tmp_path: Path) -> None:
    _, transaction = charging(world, meter=2000)
    other = World(tmp_path / "other")
    other.grid.sessions = world.grid.sessions
    link = other.connect()
    other.offer(7.0)
    assert ("TxProfile", 10.1, transaction) in link.profiles()

    other.value(link, transaction, wh=5000)
    assert other.last_report().energy_kwh == 3.0
    other.stop(link, transaction, 6000)
    link.profiles()
    other.clock.run(1)
    assert [(end.session_id, end.energy_kwh) for end in other.grid.ends] == [("s1", 4.0)]
    assert other.grid.starts == []


def test_a_start_that_is_repeated_after_its_session_was_taken_over_is_the_same_transaction(
    world: World, tmp_path: Path
) -> None:
    """Its charger had no answer, as its edge died; by the time it repeats the start, the new edge has its session."""
    _, transaction = charging(world, meter=2000)
    told_s = world.grid.starts[0].started_wall_s or 0.0
    other = World(tmp_path / "other")
    other.clock, other.grid.sessions = world.clock, world.grid.sessions
    other.restart()
    link = other.connect()
    other.offer(7.0)
    link.profiles()

    assert other.start(link, meter=2000, ago_s=other.clock.wall_s() - told_s) == transaction

    other.clock.run(2)
    other.offer(5.0)
    assert ("TxProfile", 7.2, transaction) in link.profiles()
    assert (other.grid.starts, other.grid.ends, link.take("RemoteStopTransaction")) == ([], [], [])
    other.stop(link, transaction, 6000)
    link.profiles()
    other.clock.run(2)
    assert [(end.session_id, end.energy_kwh) for end in other.grid.ends] == [("s1", 4.0)]


def test_a_session_that_is_taken_over_at_a_free_connector_ends(world: World, tmp_path: Path) -> None:
    charging(world)
    other = World(tmp_path / "other")
    other.grid.sessions = world.grid.sessions
    link = other.connect()
    other.status(link, "Available")
    other.offer(7.0)
    other.clock.run(60)
    assert [end.reason for end in other.grid.ends] == ["EVDisconnected"]


# ---------------------------------------------------------------------- stopped from elsewhere, and lost


def test_a_session_that_was_stopped_through_the_api_is_stopped_at_its_charger_until_it_does(world: World) -> None:
    link, transaction = charging(world)
    world.offer(0.0, state="Stopping")
    assert [call.payload for call in link.take("RemoteStopTransaction")] == [{"transactionId": transaction}]
    world.clock.run(30)
    assert len(link.take("RemoteStopTransaction")) == 1
    world.stop(link, transaction, 900, reason="Remote")
    world.clock.run(2000)
    assert link.take("RemoteStopTransaction") == []
    assert [end.reason for end in world.grid.ends] == ["Remote"]


def test_a_2x_charger_is_asked_to_stop_by_its_own_call(world: World) -> None:
    link = world.connect(version=V201)
    world.event(link, "Started", car="Charging", token=TAG, evse=1)
    world.offer(0.0, state="Stopping")
    assert [call.payload for call in link.take("RequestStopTransaction")] == [{"transactionId": "T1"}]


def test_it_ends_at_a_charger_that_knows_no_such_transaction_and_draws_nothing(world: World) -> None:
    link, _ = charging(world)
    world.offer(0.0, state="Stopping")
    tries = 0
    while not world.grid.ends and tries < 10:
        for call in link.take("RemoteStopTransaction"):
            tries += 1
            call.reject()
        world.clock.run(10)
    assert tries == 3


def test_a_session_that_its_substation_has_lost_begins_anew_by_the_same_key(world: World) -> None:
    charging(world)
    lost = world.grid.sessions.copy()
    world.grid.sessions.clear()
    world.fleet.gone(SUBSTATION, ["s1"])
    world.clock.run(1)
    assert [order.key for order in world.grid.starts] == list(lost) * 2
    assert world.grid.sessions.keys() == lost.keys()


def test_a_session_that_its_substation_has_ended_meanwhile_is_stopped_at_the_charger(world: World) -> None:
    link, transaction = charging(world)
    world.grid.sessions = {key: replace(each, state="Idle") for key, each in world.grid.sessions.items()}
    world.fleet.gone(SUBSTATION, ["s1"])
    world.clock.run(1)
    assert link.take("RemoteStopTransaction")[0].payload == {"transactionId": transaction}
    world.fleet.gone(SUBSTATION, ["s1"])
    world.clock.run(1)
    assert len(world.grid.starts) == 2


def test_an_end_that_a_restored_substation_has_forgotten_is_told_again(world: World) -> None:
    link, transaction = charging(world)
    before = world.grid.sessions.copy()
    world.stop(link, transaction, 5000)
    world.clock.run(100)
    world.grid.sessions = before
    world.offer(11.0)
    assert [end.energy_kwh for end in world.grid.ends] == [5.0, 5.0]


def test_a_car_that_draws_in_a_transaction_that_no_one_knows_is_booked(world: World) -> None:
    link = world.connect()
    world.clock.run(FOUND_AFTER_S + 1)
    world.offer()
    world.value(link, 4711, wh=70_000, w=3_000)
    (order,) = world.grid.starts
    assert order.transaction_id == "4711"
    world.value(link, 4711, wh=71_000, w=3_000)
    assert world.last_report().energy_kwh == 1.0


def test_no_charger_moves_anothers_session(world: World) -> None:
    _, transaction = charging(world, "CP1")
    intruder = world.connect("CP2")
    world.clock.run(FOUND_AFTER_S + 1)
    world.value(intruder, transaction, wh=99_000, w=0)
    assert world.stop(intruder, transaction, 99_000) == {}
    world.offer(11.0)
    world.clock.run(60)
    assert world.grid.ends == []
    assert world.last_report().energy_kwh in (None, 0.0)


# ---------------------------------------------------------------------- what is told


def test_a_session_is_reported_once_a_second_at_the_most_unless_power_becomes_free(world: World) -> None:
    link, transaction = charging(world)
    world.clock.run(5)
    before = len(world.grid.reports)
    for wh in range(1, 21):
        world.value(link, transaction, wh=wh, w=10_000 + wh)
        world.clock.run(0.1)
    assert len(world.grid.reports) - before <= 4
    assert world.last_report().energy_kwh == 0.02


def test_what_the_car_does_is_reported(world: World) -> None:
    link, _ = charging(world)
    world.status(link, "SuspendedEV")
    assert world.last_report().car is CarState.SUSPENDED_EV


def test_a_substation_is_told_of_its_connectors_and_of_those_that_are_free(tmp_path: Path) -> None:
    world = World(tmp_path, connectors=2)
    link = world.connect()
    world.clock.run(1)
    assert world.grid.counted == (2, 0)
    world.status(link, "Available", 1)
    world.status(link, "Available", 2)
    world.clock.run(1)
    assert world.grid.counted == (2, 2)
    world.start(link, connector=1)
    world.status(link, "Faulted", 2)
    world.clock.run(1)
    assert world.grid.counted == (2, 0)
    world.fleet.disconnected(link)
    world.clock.run(1)
    assert world.grid.counted == (2, 0)


def test_no_new_transaction_is_taken_when_too_many_are_untold_and_known_ones_go_on(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.most_untold = 2
    world.restart()
    world.grid.outcome = Outcome.LATER
    link = world.connect()
    one = world.start(link, tag="A", meter=0)
    two = world.start(link, tag="B", meter=10)
    world.clock.run(10)
    timestamp = world.time()
    start = {"connectorId": 1, "idTag": "C", "timestamp": timestamp, "meterStart": 20}
    assert link.say("StartTransaction", **start) is None
    assert world.stop(link, two, 20) == {}
    assert "too many transactions wait for their substation" in caplog.text

    world.grid.outcome = Outcome.DONE
    world.clock.run(60)
    assert link.say("StartTransaction", **start)["transactionId"] not in (None, one, two)


# ---------------------------------------------------------------------- connections


def test_two_connections_of_one_charger_the_late_end_of_the_older_is_nothing(world: World) -> None:
    older = world.connect()
    newer = world.connect()
    world.fleet.disconnected(older)
    state = world.fleet.state(newer.charger)
    assert state is not None
    assert state.connected
    assert newer.say("Heartbeat") is not None
    assert older.say("Heartbeat") is None


def test_what_was_under_way_on_the_older_is_not_taken_as_answered(world: World) -> None:
    older = world.connect(is_settled=False)
    world.offer()
    (call,) = older.take("SetChargingProfile")
    newer = world.connect(is_settled=False)
    call.fail(CallFailure.CLOSED)
    assert newer.profiles() == [("TxDefaultProfile", 0.0, None)]


def test_a_charger_that_comes_back_as_2x_is_told_in_2x(world: World) -> None:
    world.connect(is_settled=False)
    world.offer()
    link = world.connect(version=V201, is_settled=False)
    assert "chargingProfile" in link.take("SetChargingProfile")[0].payload


def test_a_charger_that_was_registered_anew_has_its_new_rating(world: World) -> None:
    link = world.connect()
    world.known.specs[link.charger] = ChargerSpec(connectors=(ConnectorSpec(phases=1, rating_a=16.0),))
    link = world.connect()
    world.start(link)
    assert world.grid.starts[0].rating_kw == pytest.approx(3.68)


@pytest.mark.parametrize("version", list(OcppVersion))
def test_rubbish_in_every_field_breaks_nothing(world: World, version: OcppVersion) -> None:
    link = world.connect(version=version)
    handlers = world.fleet._handlers[version]
    rubbish = [None, "", "x" * 10_000, -1, 1e308, True, [], {}, [[]], [{}], {"id": {"id": []}}]
    fields = [
        "connectorId", "idTag", "timestamp", "meterStart", "meterStop", "transactionId", "meterValue", "status",
        "transactionInfo", "evse", "idToken", "eventType", "seqNo", "chargingStation", "evseId", "connectorStatus",
        "chargePointModel", "transactionData", "reason",
    ]  # fmt: skip
    for action in handlers:
        for value in rubbish:
            link.say(action, **dict.fromkeys(fields, value))
    assert link.refused == {}
    assert link.say("Heartbeat") is not None


# ---------------------------------------------------------------------- pictures


def test_the_safe_current_in_a_picture_is_the_one_that_the_charger_has_confirmed(world: World) -> None:
    link, _ = charging(world)
    charger = world.fleet.roster.known(link.charger)
    (connector,) = charger.connectors.values()
    connector.planned_a = 16.0
    state = world.fleet.state(link.charger)
    assert state is not None
    assert state.connectors[0].fallback_a == 6.0


def test_a_picture_of_a_charger_that_is_gone_has_since_when(world: World) -> None:
    link, _ = charging(world)
    connected = world.fleet.state(link.charger)
    world.clock.run(100)
    world.fleet.disconnected(link)
    gone = world.fleet.state(link.charger)
    assert connected is not None
    assert connected.since_wall_s is not None
    assert gone is not None
    assert (gone.connected, gone.since_wall_s) == (False, world.clock.wall_s())
    assert gone.since_wall_s >= connected.since_wall_s + 100


def test_a_picture_of_a_charger_has_what_its_operator_wants_to_know(world: World) -> None:
    link, transaction = charging(world)
    link.say("BootNotification", chargePointVendor="V", chargePointModel="M", firmwareVersion="1.2")
    world.value(link, transaction, wh=0, w=10_900)
    state = world.fleet.state(link.charger)
    assert state is not None
    (connector,) = state.connectors
    assert (state.vendor, state.model, state.firmware, state.version) == ("V", "M", "1.2", OcppVersion.V16)
    assert (connector.status, connector.session_id, connector.transaction_id) == ("Charging", "s1", str(transaction))
    assert (connector.offer_kw, connector.limit_a, connector.power_kw, connector.fallback_a) == (11.0, 15.9, 10.9, 6.0)
    assert world.fleet.states("elsewhere", None, 9) == []
    assert world.fleet.states(None, link.charger, 9) == []
    assert world.fleet.states(None, None, 9) == [state]


def test_what_the_last_car_drew_is_not_shown_once_it_has_gone(world: World) -> None:
    link, transaction = charging(world)
    world.value(link, transaction, wh=0, w=10_900)
    world.stop(link, transaction, 1000)
    state = world.fleet.state(link.charger)
    assert state is not None
    assert (state.connectors[0].power_kw, state.connectors[0].currents_a) == (None, (None, None, None))


def test_counts_for_the_metrics(world: World) -> None:
    link, transaction = charging(world)
    world.grid.outcome = Outcome.LATER
    world.stop(link, transaction, 1000)
    world.clock.run(100)
    counts = world.fleet.counts()
    assert (counts.connected, counts.not_obeying, counts.untold) == (1, 0, 1)
    assert counts.connectors == {"Charging": 1}
    assert counts.oldest_untold_s == pytest.approx(100, abs=1)


@pytest.mark.parametrize(
    ("failure", "not_obeying"), [(CallFailure.TIMEOUT, 1), (CallFailure.REPLACED, 0), (CallFailure.CLOSED, 0)]
)
def test_one_that_never_answers_is_counted_as_not_obeying_until_it_does(
    world: World, failure: CallFailure, not_obeying: int
) -> None:
    link = world.connect(is_settled=False)
    world.offer()
    world.start(link)
    world.offer(11.0)
    for _ in range(8):
        for call in link.take("SetChargingProfile"):
            call.fail(failure)
        world.clock.run(61)
        world.offer(11.0)
    assert world.fleet.counts().not_obeying == not_obeying
    link.profiles()
    assert world.fleet.counts().not_obeying == 0


def test_one_that_goes_whenever_it_is_given_a_limit_is_counted_as_not_obeying_until_it_stays(world: World) -> None:
    """As a program does that crashes on a profile, and is started again."""
    counted = []
    for _ in range(4):
        link = world.connect(is_settled=False)
        counted.append(world.fleet.counts().not_obeying)
        for call in link.take("SetChargingProfile"):
            call.fail(CallFailure.CLOSED)
        world.fleet.disconnected(link)
        world.clock.run(5)
    assert counted == [0, 0, 0, 1]
    assert world.fleet.counts().not_obeying == 1, "while it is away, too"
    world.clock.run(120)
    assert world.fleet.counts().not_obeying == 0, "and not for ever"

    link = world.connect()
    assert world.fleet.counts().not_obeying == 0


def test_a_charger_of_watts_is_asked_in_watts_what_it_applies(world: World) -> None:
    link = world.connect(is_settled=False)
    world.offer()
    world.start(link)
    world.offer(11.0)
    for _ in range(8):
        for call in link.take("SetChargingProfile"):
            schedule = call.payload["csChargingProfiles"]["chargingSchedule"]
            call.accept() if schedule["chargingRateUnit"] == "W" else call.reject()
        world.clock.run(6)
        world.offer(11.0)
    (asked,) = link.take("GetCompositeSchedule")
    assert asked.payload["chargingRateUnit"] == "W"


def test_one_that_does_not_answer_what_it_applies_is_not_asked_again(world: World) -> None:
    link = world.connect()
    world.offer()
    world.start(link)
    world.offer(11.0)
    link.profiles()
    link.take("GetCompositeSchedule")[0].fail(CallFailure.TIMEOUT)
    world.offer(6.9)
    link.profiles()
    assert link.take("GetCompositeSchedule") == []


# ---------------------------------------------------------------------- what is not to be believed


def test_a_meter_that_shows_more_than_twice_the_rating_counts_as_that_and_is_counted(world: World) -> None:
    link, transaction = charging(world)
    world.value(link, transaction, wh=2000, w=900_000)
    report = world.last_report()
    assert report.power_kw == pytest.approx(2 * report.rating_kw, abs=0.01)
    assert world.fleet.desk.disbelieved["power"] == 1

    world.value(link, transaction, wh=3000, w=1.9 * report.rating_kw * 1000)
    assert world.last_report().power_kw == pytest.approx(1.9 * report.rating_kw, abs=0.01)
    assert world.fleet.desk.disbelieved["power"] == 1


def test_a_register_that_shows_more_than_can_have_flowed_is_booked_at_that_and_counted(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    link, transaction = charging(world)
    for count in range(1, 6):
        world.clock.run(2)
        world.value(link, transaction, wh=180_000 * count)
    rating_kw = world.last_report().rating_kw
    most_kwh = 2 * rating_kw * (12 / 3600 + 0.5) + 1
    assert world.last_report().energy_kwh == pytest.approx(most_kwh, abs=0.1)
    assert world.fleet.desk.disbelieved["energy"] == 5
    assert caplog.text.count("a register shows more energy") == 1

    world.clock.run(60)
    world.stop(link, transaction, 990_000)
    world.clock.run(11)
    assert world.grid.ends[-1].energy_kwh == pytest.approx(most_kwh + rating_kw / 30, abs=0.1)
    assert world.fleet.desk.disbelieved["energy"] == 6


def test_so_are_events_of_2x(world: World) -> None:
    link = world.connect(version=V201)
    world.event(link, "Started", "T1", seq=0, car="Charging", token=TAG, wh=0)
    world.clock.run(60)
    world.event(link, "Ended", "T1", seq=1, wh=900_000)
    assert world.grid.ends[-1].energy_kwh == pytest.approx(44.16 * (60 / 3600 + 0.5) + 1, abs=0.1)
    assert world.fleet.desk.disbelieved["energy"] == 1


def test_energy_of_a_transaction_that_is_found_open_after_a_restart_is_booked_whole(world: World) -> None:
    link, transaction = charging(world)
    world.clock.run(60)
    world.value(link, transaction, wh=300)
    world.clock.run(61)
    world.restart()
    world.clock.run(4 * 3600)
    link = world.connect()
    world.stop(link, transaction, 88_000)
    link.profiles()  # without its safe current, which is booked with the session
    world.clock.run(1)
    assert world.grid.ends[-1].energy_kwh == 88.0
    assert world.fleet.desk.disbelieved["energy"] == 0


def test_connectors_that_a_registered_charger_can_hardly_have_cost_nothing_and_are_counted(world: World) -> None:
    link = world.connect()
    for number in range(2, 40):
        world.status(link, "Available", connector=number)
        world.value(link, None, wh=1000, w=5000, connector=number)
    world.clock.run(1)
    charger = world.fleet.roster.get(link.charger)
    assert charger is not None
    assert [*charger.connectors] == [1, 2, 3, 4]
    assert world.fleet.desk.disbelieved["connector"] == 2 * 35


def test_a_start_there_is_answered_as_ocpp_has_it_and_begins_nothing(world: World) -> None:
    link = world.connect()
    asked = {"connectorId": 9, "idTag": "TAG", "timestamp": world.time(), "meterStart": 0}
    answer = link.say("StartTransaction", **asked)
    assert answer["idTagInfo"] == {"status": "Invalid"}
    assert link.say("StartTransaction", **asked) == answer
    assert world.grid.starts == []

    link = world.connect("CP2", V201)
    token = {"idToken": "TAG", "type": "ISO14443"}
    assert world.event(link, "Started", evse=9, token=token) == {"idTokenInfo": {"status": "Invalid"}}
    assert world.event(link, "Updated", evse=9, seq=1) == {}
    assert world.grid.starts == []


def test_a_registered_charger_may_have_as_many_connectors_as_are_registered(tmp_path: Path) -> None:
    world = World(tmp_path, connectors=12)
    link = world.connect()
    assert world.start(link, connector=12)
    world.clock.run(1)
    assert [order.connector for order in world.grid.starts] == [12]


def test_an_order_that_is_never_understood_is_set_aside_said_and_what_is_behind_it_goes_on(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    link = world.connect()
    world.offer()
    world.grid.outcome = Outcome.UNUSABLE
    first = world.start(link, tag="FIRST")
    world.clock.run(MOST_UNUSABLE * MOST_DELAY_S)
    assert caplog.text.count("refused the start of a transaction for good") == 1

    world.grid.outcome = Outcome.DONE
    world.stop(link, first, 2000)
    world.start(link, tag="SECOND")
    world.clock.run(60)
    assert [order.vehicle_id for order in world.grid.starts] == ["SECOND"]


def test_messages_that_cannot_be_handled_fill_no_log(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = world.connect()

    def fails(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(world.fleet.desk, "status", fails)
    for _ in range(100):
        world.status(link, "Available")
    world.clock.run(11)
    world.status(link, "Available")
    said = [record for record in caplog.records if "could not be handled" in record.message]
    assert [record.unsaid for record in said] == ["0", "99"]  # type: ignore[attr-defined]
