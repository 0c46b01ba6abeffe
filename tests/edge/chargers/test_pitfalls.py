"""What real chargers do, by the numbers of the list of pitfalls (docs/chargers-pitfalls: issue 13's notes)."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartgrid.edge.ports import CallFailure, OcppVersion, Outcome
from support.edge_fleet import ScriptedLink, World

V201 = OcppVersion.V201
TAG = {"idToken": "TAG", "type": "ISO14443"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# ---------------------------------------------------------------------- 1: reconnect without BootNotification


def test_pitfall_01_limits_go_out_at_the_connection_before_anything_else_and_without_a_boot(world: World) -> None:
    world.connect("CP0")
    link = world.connect("CP1", is_settled=False)
    world.clock.run(1)

    assert link.calls[0].action == "SetChargingProfile"
    assert link.profiles() == [("TxDefaultProfile", 0.0, None)]


def test_pitfall_01_a_transaction_goes_on_after_the_edge_was_restarted_and_the_charger_says_nothing(
    world: World,
) -> None:
    link = world.connect()
    world.offer()
    transaction = world.start(link)
    world.offer(11.0)
    link.profiles()

    world.restart()
    link = world.connect()
    world.offer(9.0)
    assert ("TxProfile", 13.0, transaction) in link.profiles()
    assert len(world.grid.starts) == 1


def test_pitfall_01_a_charger_that_says_nothing_is_asked_for_its_boot_and_its_status(world: World) -> None:
    link = world.connect()
    world.clock.run(60)
    asked = [call.payload["requestedMessage"] for call in link.take("TriggerMessage")]
    assert asked == ["BootNotification", "StatusNotification"]


def test_pitfall_01_a_charger_that_tells_its_status_is_not_asked(world: World) -> None:
    link = world.connect()
    world.status(link, "Available")
    world.clock.run(60)
    assert link.take("TriggerMessage") == []


# ---------------------------------------------------------------------- 4: the offline queue


def test_pitfall_04_late_values_count_for_the_energy_and_never_move_the_present_power(world: World) -> None:
    link = world.connect()
    world.offer()
    transaction = world.start(link, meter=0)
    world.clock.run(3600)
    world.value(link, transaction, wh=5000, w=4000)
    world.clock.run(2)
    world.value(link, transaction, wh=2000, w=11000, ago_s=1800)

    report = world.last_report()
    assert (report.power_kw, report.energy_kwh) == (4.0, 5.0)


def test_pitfall_04_a_queue_of_two_connectors_interleaved_is_booked_to_each_at_its_own_time(tmp_path: Path) -> None:
    world = World(tmp_path, connectors=2)
    link = world.connect()
    world.offer()
    world.status(link, "Available", 1)
    world.status(link, "Available", 2)
    one = world.start(link, connector=1, tag="A", meter=0, ago_s=7200)
    two = world.start(link, connector=2, tag="B", meter=50_000, ago_s=7000)
    world.value(link, two, connector=2, wh=52_000, ago_s=5000)
    world.value(link, one, connector=1, wh=3_000, ago_s=5400)
    world.stop(link, one, 4_000, ago_s=3600)
    world.stop(link, two, 55_000, ago_s=1800)

    assert {end.session_id: end.energy_kwh for end in world.grid.ends} == {"s1": 4.0, "s2": 5.0}
    assert [order.started_wall_s for order in world.grid.starts] == [
        pytest.approx(world.clock.wall_s() - 7200, abs=1),
        pytest.approx(world.clock.wall_s() - 7000, abs=1),
    ]


def test_pitfall_04_no_profile_is_sent_for_a_transaction_from_a_queue_whose_stop_follows(world: World) -> None:
    link = world.connect()
    world.offer()
    link.profiles()
    transaction = world.start(link, ago_s=7200)
    world.offer(11.0)
    world.stop(link, transaction, 2000, ago_s=3600)
    world.clock.run(60)
    assert link.profiles() == []


def test_pitfall_04_a_start_from_a_queue_whose_car_is_still_there_gets_its_profile(world: World) -> None:
    link = world.connect()
    world.offer()
    link.profiles()
    transaction = world.start(link, ago_s=7200)
    world.offer(11.0)
    world.clock.run(15)
    assert ("TxProfile", 15.9, transaction) in link.profiles()


def test_pitfall_04_an_older_start_from_a_queue_does_not_end_the_car_that_is_there_now(world: World) -> None:
    link = world.connect()
    world.offer()
    now = world.start(link, tag="NOW", meter=9000)
    old = world.start(link, tag="OLD", meter=1000, ago_s=7200)
    world.stop(link, old, 3000, ago_s=3600)
    assert world.grid.ends == []

    world.stop(link, now, 9500)
    assert [(end.session_id, end.energy_kwh) for end in world.grid.ends] == [("s1", 0.5), ("s2", 2.0)]


# ---------------------------------------------------------------------- 5: duplicates


def test_pitfall_05_a_start_that_is_repeated_has_the_same_transaction_and_session(world: World) -> None:
    link = world.connect()
    timestamp = world.time()
    first = link.say("StartTransaction", connectorId=1, idTag="TAG", timestamp=timestamp, meterStart=1000)
    world.clock.run(70)
    again = link.say("StartTransaction", connectorId=1, idTag="TAG", timestamp=timestamp, meterStart=1000)
    assert first == again
    assert len(world.grid.starts) == 1


def test_pitfall_05_it_has_so_after_the_edge_has_lost_its_disk(tmp_path: Path) -> None:
    answers = set()
    for folder in ("one", "other"):
        world = World(tmp_path / folder)
        answers.add(world.start(world.connect()))
    assert len(answers) == 1


def test_pitfall_05_a_stop_that_is_repeated_is_answered_the_same_and_counts_once(world: World) -> None:
    link = world.connect()
    transaction = world.start(link, meter=0)
    first = world.stop(link, transaction, 5000, idTag="TAG")
    again = world.stop(link, transaction, 5000, idTag="TAG")
    assert first == again == {"idTagInfo": {"status": "Accepted"}}
    assert len(world.grid.ends) == 1


def test_pitfall_05_the_start_of_a_transaction_that_has_ended_begins_nothing(world: World) -> None:
    link = world.connect()
    timestamp = world.time()
    start = {"connectorId": 1, "idTag": "TAG", "timestamp": timestamp, "meterStart": 0}
    transaction = link.say("StartTransaction", **start)["transactionId"]
    world.stop(link, transaction, 5000)
    assert link.say("StartTransaction", **start)["transactionId"] == transaction
    assert len(world.grid.starts) == len(world.grid.ends) == 1


def test_pitfall_05_events_of_2x_are_known_by_transaction_and_number(world: World) -> None:
    link = world.connect(version=V201)
    for _ in range(2):
        world.event(link, "Started", seq=0, car="Charging", token=TAG, evse=1, wh=1000)
    for _ in range(2):
        world.event(link, "Ended", seq=1, trigger="StopAuthorized", wh=4000)
    assert len(world.grid.starts) == 1
    assert [end.energy_kwh for end in world.grid.ends] == [3.0]


# ---------------------------------------------------------------------- 6: ids that no one has given


@pytest.mark.parametrize("invented", [0, -1])
def test_pitfall_06_values_and_the_stop_of_an_invented_id_are_of_the_open_transaction(
    world: World, invented: int
) -> None:
    link = world.connect()
    world.start(link, meter=1000)
    world.value(link, invented, wh=1500)
    assert world.last_report().energy_kwh == 0.5
    world.stop(link, invented, 3000)
    assert world.grid.ends[-1].energy_kwh == 2.0


def test_pitfall_06_of_several_it_is_the_one_with_its_tag_and_register(tmp_path: Path) -> None:
    world = World(tmp_path, connectors=3)
    link = world.connect()
    world.start(link, connector=1, tag="A", meter=1000)
    world.start(link, connector=2, tag="B", meter=70_000)
    world.start(link, connector=3, tag="B", meter=30_000)
    world.stop(link, -1, 31_000, idTag="B")
    assert [(end.session_id, end.energy_kwh) for end in world.grid.ends] == [("s3", 1.0)]


def test_pitfall_06_without_an_open_one_it_is_an_orphan_answered_and_noted(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    link = world.connect()
    assert world.stop(link, -1, 3000, idTag="TAG") == {"idTagInfo": {"status": "Accepted"}}
    assert "start is not known" in caplog.text
    assert "TAG" not in caplog.text
    assert world.grid.ends == []


def test_pitfall_06_no_start_is_answered_with_a_transaction_id_of_0_or_less(world: World) -> None:
    link = world.connect()
    assert all(world.start(link, tag=f"T{n}", meter=n) >= 1 for n in range(50))


def test_pitfall_06_a_stop_whose_start_only_the_substation_knows_ends_that_session(
    world: World, tmp_path: Path
) -> None:
    link = world.connect()
    transaction = world.start(link, meter=1000)
    lost = World(tmp_path / "new")
    lost.grid.sessions = world.grid.sessions
    link = lost.connect(is_settled=False)
    lost.stop(link, transaction, 4000)
    assert lost.grid.ends == []
    lost.offer(11.0)
    assert [(end.session_id, end.energy_kwh) for end in lost.grid.ends] == [("s1", 3.0)]


# ---------------------------------------------------------------------- 7: the inbox


def test_pitfall_07_a_start_is_answered_while_its_substation_is_away_and_told_to_it_later(world: World) -> None:
    link = world.connect()
    world.grid.outcome = Outcome.LATER
    transaction = world.start(link, meter=0)
    assert transaction > 0
    assert world.stop(link, transaction, 5000) == {}

    world.clock.run(600)
    world.grid.outcome = Outcome.DONE
    world.clock.run(60)
    assert [end.energy_kwh for end in world.grid.ends] == [5.0]


def test_pitfall_07_what_was_answered_survives_a_crash_of_the_edge(world: World) -> None:
    link = world.connect()
    world.grid.outcome = Outcome.LATER
    transaction = world.start(link, meter=0)
    world.restart()
    link = world.connect()
    world.stop(link, transaction, 5000)
    world.restart()

    world.grid.outcome = Outcome.DONE
    world.clock.run(60)
    assert len(world.grid.starts) == 1
    assert [end.energy_kwh for end in world.grid.ends] == [5.0]


def test_pitfall_07_while_the_disk_takes_nothing_the_charger_has_no_answer_and_no_error(world: World) -> None:
    link = world.connect()
    world.inbox.is_full = True
    assert world.start(link) is None
    assert link.refused == {}
    world.inbox.is_full = False
    world.inbox.write()
    assert len(link.answers) == 1


def test_pitfall_07_a_fault_of_ours_is_no_error_of_the_charger(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    link = world.connect()
    monkeypatch.setattr(world.inbox, "keep", lambda *args: 1 / 0)
    assert world.start(link) is None
    assert link.refused == {}


# ---------------------------------------------------------------------- 8: a car that is refused


def test_pitfall_08_a_car_without_room_waits_at_0_a_and_its_transaction_goes_on(world: World) -> None:
    link = world.connect()
    world.offer()
    link.profiles()
    transaction = world.start(link)
    world.offer(0.0, state="Waiting", position=1)
    assert link.profiles() == []  # its connector has 0 A as long as it has no power
    world.clock.run(300)
    world.offer(7.0)
    assert link.profiles() == [("TxProfile", 10.1, transaction)]


def test_pitfall_08_a_tag_that_is_not_allowed_is_told_so_and_gets_no_session(world: World) -> None:
    world.refused_tags.add("THIEF")
    link = world.connect()
    answer = link.say("StartTransaction", connectorId=1, idTag="THIEF", timestamp=world.time(), meterStart=0)
    assert answer["idTagInfo"] == {"status": "Invalid"}
    assert answer["transactionId"] > 0
    assert world.grid.starts == []
    assert link.say("Authorize", idTag="THIEF") == {"idTagInfo": {"status": "Invalid"}}


def test_pitfall_08_a_driver_at_a_2x_charger_reads_that_the_car_waits(world: World) -> None:
    link = world.connect(version=V201)
    world.event(link, "Started", car="EVConnected", token=TAG, evse=1)
    world.offer(0.0, state="Waiting", position=2)
    answer = world.event(link, "Updated", seq=1, car="SuspendedEVSE")
    assert "position 2" in answer["updatedPersonalMessage"]["content"]


# ---------------------------------------------------------------------- 9: 2.x


def test_pitfall_09_a_session_begins_at_the_first_authorization_and_plug_not_at_started(world: World) -> None:
    link = world.connect(version=V201)
    world.event(link, "Started", seq=0, trigger="CablePluggedIn", car="EVConnected", evse=1)
    assert world.grid.starts == []
    world.event(link, "Updated", seq=1, trigger="Authorized", token=TAG)
    assert [order.vehicle_id for order in world.grid.starts] == ["TAG"]


def occupied(world: World, link: ScriptedLink) -> None:
    link.say("StatusNotification", evseId=1, connectorId=1, connectorStatus="Occupied", timestamp=world.time())


def test_pitfall_09_a_car_of_which_events_tell_nothing_is_there_when_its_evse_is_occupied(world: World) -> None:
    link = world.connect(version=V201)
    occupied(world, link)
    world.event(link, "Started", seq=0, trigger="Authorized", token=TAG, evse=1)
    assert len(world.grid.starts) == 1


def test_pitfall_09_or_when_its_transaction_is_metered(world: World) -> None:
    link = world.connect(version=V201)
    world.event(link, "Started", seq=0, trigger="Authorized", token=TAG, evse=1)
    assert world.grid.starts == []
    world.event(link, "Updated", seq=0, trigger="MeterValuePeriodic", evse=1, wh=0.0)
    assert len(world.grid.starts) == 1


def test_pitfall_09_or_when_its_evse_is_said_to_be_occupied_after_that(world: World) -> None:
    link = world.connect(version=V201)
    world.event(link, "Started", seq=0, trigger="Authorized", token=TAG, evse=1)
    occupied(world, link)
    assert len(world.grid.starts) == 1


def test_pitfall_09_but_not_where_they_tell_that_there_is_none(world: World) -> None:
    link = world.connect(version=V201)
    occupied(world, link)
    world.event(link, "Started", seq=0, trigger="Authorized", token=TAG, evse=1, car="Idle")
    assert world.grid.starts == []


def test_pitfall_09_nor_at_an_authorization_without_a_car(world: World) -> None:
    link = world.connect(version=V201)
    world.event(link, "Started", seq=0, trigger="Authorized", token=TAG, evse=1)
    assert world.grid.starts == []
    world.event(link, "Updated", seq=1, trigger="CablePluggedIn", car="EVConnected")
    assert len(world.grid.starts) == 1


def test_pitfall_09_one_that_ends_before_it_began_is_nothing_to_its_substation(world: World) -> None:
    link = world.connect(version=V201)
    world.event(link, "Started", seq=0, trigger="CablePluggedIn", car="EVConnected", evse=1)
    assert world.event(link, "Ended", seq=1, trigger="EVDeparted") == {}
    assert world.grid.starts == world.grid.ends == []


def test_pitfall_09_its_status_tells_of_the_plug_where_no_event_does(world: World) -> None:
    link = world.connect(version=V201)
    world.offer()
    world.event(link, "Started", trigger="Authorized", token=TAG, evse=1, wh=1000)
    assert world.grid.starts == []
    link.say("StatusNotification", evseId=1, connectorId=1, connectorStatus="Occupied", timestamp=world.time())
    assert [order.vehicle_id for order in world.grid.starts] == ["TAG"]


def test_pitfall_09_also_where_it_came_before(world: World) -> None:
    link = world.connect(version=V201)
    world.offer()
    link.say("StatusNotification", evseId=1, connectorId=1, connectorStatus="Occupied", timestamp=world.time())
    world.event(link, "Started", trigger="Authorized", token=TAG, evse=1, wh=1000)
    assert [order.vehicle_id for order in world.grid.starts] == ["TAG"]


def test_pitfall_09_energy_has_a_session_also_where_no_event_told_of_a_plug(world: World) -> None:
    link = world.connect(version=V201)
    world.offer()
    world.event(link, "Started", trigger="Authorized", token=TAG, evse=1, wh=1000, ago_s=500, offline=True)
    world.event(link, "Ended", trigger="StopAuthorized", seq=1, wh=2500, ago_s=100, offline=True)
    assert [order.vehicle_id for order in world.grid.starts] == ["TAG"]
    assert [end.energy_kwh for end in world.grid.ends] == [1.5]


@pytest.mark.parametrize("is_given_up", [False, True])
def test_pitfall_09_a_start_may_come_after_its_end(world: World, is_given_up: bool) -> None:
    link = world.connect(version=V201)
    world.offer()
    world.event(link, "Ended", trigger="EVDeparted", seq=2, evse=1, wh=3500, ago_s=10, offline=True)
    if is_given_up:
        world.clock.run(5)
        world.offer()
    world.event(link, "Started", trigger="Authorized", token=TAG, evse=1, wh=2500, ago_s=60, offline=True)
    assert [order.vehicle_id for order in world.grid.starts] == ["TAG"]
    assert [end.energy_kwh for end in world.grid.ends] == [1.0]


def test_pitfall_09_no_authorization_with_an_empty_token_is_accepted(world: World) -> None:
    link = world.connect(version=V201)
    nobody = {"idToken": "", "type": "NoAuthorization"}
    assert link.say("Authorize", idToken=nobody) == {"idTokenInfo": {"status": "Accepted"}}
    answer = world.event(link, "Started", car="Charging", token=nobody, evse=1)
    assert answer["idTokenInfo"] == {"status": "Accepted"}
    assert [order.vehicle_id for order in world.grid.starts] == ["CP1/1"]


def test_pitfall_09_an_update_without_an_evse_is_of_the_evse_of_its_transaction(tmp_path: Path) -> None:
    world = World(tmp_path, connectors=2)
    link = world.connect(version=V201)
    world.event(link, "Started", seq=0, car="Charging", token=TAG, evse=2, wh=0)
    world.event(link, "Updated", seq=1, wh=700)
    assert world.grid.starts[0].connector == 2
    assert world.last_report().energy_kwh == 0.7


def test_pitfall_09_energy_is_from_the_first_register_when_the_start_told_none(world: World) -> None:
    link = world.connect(version=V201)
    world.event(link, "Started", seq=0, car="Charging", token=TAG, evse=1)
    world.event(link, "Updated", seq=1, wh=10_000)
    world.event(link, "Ended", seq=2, trigger="EVDeparted", wh=12_500)
    assert world.grid.ends[0].energy_kwh == 2.5


def test_pitfall_09_offline_events_are_late_whatever_their_time(world: World) -> None:
    link = world.connect(version=V201)
    world.event(link, "Started", seq=0, car="Charging", token=TAG, evse=1, wh=0)
    world.event(link, "Updated", seq=2, car="SuspendedEV", wh=2000)
    world.clock.run(2)
    world.event(link, "Updated", seq=1, car="Charging", wh=1000, offline=True)
    assert world.last_report().car == "SuspendedEV"
    assert world.last_report().energy_kwh == 2.0


def test_pitfall_09_an_update_of_an_unknown_transaction_begins_it(world: World) -> None:
    link = world.connect(version=V201)
    world.event(link, "Updated", seq=7, car="Charging", evse=1, wh=5000)
    assert [order.transaction_id for order in world.grid.starts] == ["T1"]


# ---------------------------------------------------------------------- 21: after the end


def test_pitfall_21_closing_values_after_the_stop_revive_nothing_and_count_nothing(world: World) -> None:
    link = world.connect()
    transaction = world.start(link, meter=0)
    world.stop(link, transaction, 5000)
    world.value(link, transaction, wh=5100, w=20)
    world.value(link, None, wh=5100, w=20)
    world.clock.run(120)
    assert len(world.grid.starts) == 1
    assert [end.energy_kwh for end in world.grid.ends] == [5.0]


def test_pitfall_21_available_ends_a_stale_transaction_once_its_stop_has_not_come(world: World) -> None:
    link = world.connect()
    transaction = world.start(link, meter=0)
    world.value(link, transaction, wh=3000)
    world.clock.run(5)
    world.status(link, "Available")
    world.clock.run(20)
    assert world.grid.ends == []
    world.clock.run(20)
    assert [(end.energy_kwh, end.reason) for end in world.grid.ends] == [(3.0, "EVDisconnected")]


def test_pitfall_21_the_stop_that_comes_after_that_still_counts_its_register(world: World) -> None:
    link = world.connect()
    transaction = world.start(link, meter=0)
    world.value(link, transaction, wh=3000)
    world.clock.run(5)
    world.status(link, "Available")
    world.clock.run(60)
    world.stop(link, transaction, 3500, ago_s=60)
    assert [end.energy_kwh for end in world.grid.ends] == [3.0, 3.5]


def test_pitfall_21_a_status_of_before_the_start_ends_nothing(world: World) -> None:
    link = world.connect()
    world.start(link, meter=0)
    world.status(link, "Available", ago_s=100)
    world.clock.run(120)
    assert world.grid.ends == []


def test_pitfall_21_a_car_that_is_back_within_the_grace_goes_on(world: World) -> None:
    link = world.connect()
    world.start(link, meter=0)
    world.clock.run(5)
    world.status(link, "Available")
    world.clock.run(5)
    world.status(link, "Charging")
    world.clock.run(120)
    assert world.grid.ends == []


# ---------------------------------------------------------------------- 22: measurands


@pytest.mark.parametrize("step_wh", [100, 1000])
def test_pitfall_22_the_steps_of_a_coarse_register_are_no_peaks_of_power(world: World, step_wh: int) -> None:
    link = world.connect()
    world.offer()
    transaction = world.start(link, meter=50_000)
    world.offer(11.0)
    register_wh = 50_000.0
    for _ in range(80):
        link.profiles()
        world.clock.run(10)
        register_wh += 10_500 / 360
        world.value(link, transaction, wh=register_wh // step_wh * step_wh)
        report = world.last_report()
        assert report.held_kw is not None
        assert report.held_kw < 11.0
        assert report.power_kw is None or report.power_kw == pytest.approx(10.5, rel=0.2)


# ---------------------------------------------------------------------- 25: time


@pytest.mark.parametrize("version", list(OcppVersion))
def test_pitfall_25_chargers_are_told_the_time_in_utc_with_a_z(world: World, version: OcppVersion) -> None:
    link = world.connect(version=version)
    for action in ("BootNotification", "Heartbeat"):
        told = link.say(action)["currentTime"]
        assert told.endswith("Z")
        assert told == world.time()


def test_pitfall_25_heartbeats_are_a_few_minutes_apart_and_not_all_at_once(world: World) -> None:
    link = world.connect()
    intervals = {link.say("BootNotification")["interval"] for _ in range(50)}
    assert all(270 <= interval <= 330 for interval in intervals)
    assert len(intervals) > 10


# ---------------------------------------------------------------------- of all


def test_a_profile_that_gets_no_answer_is_counted_and_nothing_breaks(world: World) -> None:
    link = world.connect(is_settled=False)
    world.offer()
    link.take("SetChargingProfile")[0].fail(CallFailure.TIMEOUT)
    assert world.fleet.steering.profiles == {"unknown": 1}


# ---------------------------------------------------------------------- 13: a profile in place of another


def charging_with_11_kw(world: World) -> ScriptedLink:
    """One of OCPP 2.0.1, whose car has had its first limit."""
    link = world.connect(version=V201)
    world.event(link, "Started", seq=0, trigger="Authorized", car="Charging", token=TAG, evse=1)
    world.offer(11.0)
    link.profiles()
    return link


def test_pitfall_13_one_of_2x_that_refuses_a_second_tx_profile_under_its_id_has_the_first_one_cleared(
    world: World,
) -> None:
    link = charging_with_11_kw(world)

    world.offer(6.9)
    (second,) = link.take("SetChargingProfile")
    second.reject()
    (clear,) = link.take("ClearChargingProfile")
    assert clear.payload["chargingProfileId"] == second.payload["chargingProfile"]["id"]
    world.offer(5.5)
    assert link.take("ClearChargingProfile") + link.take("SetChargingProfile") == []
    clear.accept()
    assert link.profiles() == [("TxProfile", 7.9, "T1")]

    world.offer(4.5)
    link.take("ClearChargingProfile")[0].accept()
    assert link.profiles() == [("TxProfile", 6.5, "T1")]


def test_pitfall_13_one_of_16_that_refuses_a_second_tx_profile_has_the_first_one_cleared_as_it_would_rule(
    world: World,
) -> None:
    link = world.connect()
    world.offer()
    transaction = world.start(link)
    world.offer(11.0)
    link.profiles()

    world.offer(6.9)
    (second,) = link.take("SetChargingProfile")
    second.reject()
    (clear,) = link.take("ClearChargingProfile")
    assert clear.payload == {"id": second.payload["csChargingProfiles"]["chargingProfileId"]}
    clear.accept()
    assert link.profiles() == [("TxProfile", 10.0, transaction)]

    world.offer(5.5)
    assert link.take("ClearChargingProfile") == []
    assert link.profiles() == [("TxProfile", 7.9, transaction)]


def test_pitfall_13_one_that_was_lost_before_it_has_cleared_the_first_one_is_asked_again(world: World) -> None:
    link = charging_with_11_kw(world)
    world.offer(6.9)
    link.take("SetChargingProfile")[0].reject()
    link.take("ClearChargingProfile")[0].fail(CallFailure.CLOSED)
    world.fleet.disconnected(link)

    link = world.connect(version=V201)
    world.offer(6.9)
    link.take("ClearChargingProfile")[0].accept()
    assert ("TxProfile", 10.0, "T1") in link.profiles()


def test_pitfall_13_one_that_refuses_it_all_the_same_is_tried_another_way(world: World) -> None:
    link = charging_with_11_kw(world)

    world.offer(6.9)
    link.take("SetChargingProfile")[0].reject()
    link.take("ClearChargingProfile")[0].accept()
    link.take("SetChargingProfile")[0].reject()
    world.clock.run(61)
    world.offer(6.9)
    assert {purpose for purpose, *_ in link.profiles()} == {"TxDefaultProfile"}
