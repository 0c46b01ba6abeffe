"""Sessions with a charger in a substation's books, on a real file that is killed, full, or an older version's."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from smartgrid.domain.ceiling import REST_S
from smartgrid.domain.charger_sessions import METER_LIFE_S, Reading
from smartgrid.domain.held_power import Report
from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.substation import Connectors
from smartgrid.protocol.offers import NOBODY
from smartgrid.substation.charger_book import Offer, Reports, SessionReport
from smartgrid.substation.chargers import PlugIn
from smartgrid.substation.ledger import Told
from smartgrid.substation.limits import LEASE_S, Limits
from smartgrid.substation.refusals import NoRoomError, NotDurableError, StorageError
from support.books import Books, SetClock, a_car

EDGE = "edge-0/abc"
RANGE = PowerRange(4.14, 22.0)
OpenBooks = Callable[..., Books]


def plug_in(
    books: Books,
    key: str = "key",
    connector: int = 1,
    vehicle_id: str = "EV-1",
    fallback_kw: float = 0.0,
    held_kw: float = 0.0,
    *,
    is_controlled: bool = True,
) -> Told:
    found = PlugIn("CP-1", connector, "17", EDGE, 22.0, fallback_kw, held_kw, is_controlled, None, 100.0)
    return books.ledger.plug_in(ChargeRequest(vehicle_id, math.inf, RANGE), found, key)


def offers(books: Books) -> list[Offer]:
    return books.ledger.offers(0, None, 0)[0].offers


def confirm(books: Books, offer: Offer, reading: Reading | None = None) -> None:
    report = Report(offer.number, offer.power_kw, 0.0, 22.0)
    epoch = books.ledger.offers(0, None, 0)[0].epoch
    said = SessionReport(offer.session_id, report, reading or Reading())
    books.ledger.report(Reports(epoch, EDGE, 0, None, [], [said]))


def set_connectors(books: Books, total: int, free: int) -> None:
    books.ledger.report(Reports(0, EDGE, 0, Connectors(total, free), [], []))


@pytest.fixture
def books(open_books: OpenBooks) -> Books:
    return open_books(capacity_kw=22.0)


def test_what_was_told_is_booked_after_a_kill(books: Books, open_books: OpenBooks, tmp_path: Path) -> None:
    plug_in(books)
    (before,) = offers(books)
    again = open_books(books.crash(tmp_path / "crashed"))
    (after,) = offers(again)
    record = again.record(before.session_id)
    assert record is not None
    assert record.metered is not None
    assert (after.power_kw, after.holder, record.metered.booked_kw) == (22, EDGE, 22)
    assert after.number > before.number


def test_a_session_stopped_by_others_is_still_to_be_stopped_after_a_kill(
    books: Books, open_books: OpenBooks, tmp_path: Path
) -> None:
    session_id = plug_in(books).record.session_id
    books.ledger.stop(session_id)
    again = open_books(books.crash(tmp_path / "crashed"))
    assert [(offer.session_id, offer.state, offer.power_kw) for offer in offers(again)] == [(session_id, "Stopping", 0)]
    ended = again.ledger.unplug(session_id, 7.5, None, has_left=True)
    assert ended is not None
    assert (ended.record.delivered_kwh, ended.record.end_reason) == (7.5, "Stopped")
    assert offers(again) == []


def test_the_meter_counts_over_a_kill(books: Books, open_books: OpenBooks, tmp_path: Path, clock: SetClock) -> None:
    session_id = plug_in(books).record.session_id
    confirm(books, offers(books)[0], Reading(20.0, 3.5, clock.wall_s()))
    books.ledger.set_capacity(22)  # a commit
    again = open_books(books.crash(tmp_path / "crashed"))
    clock.pass_s(7200)
    record = again.record(session_id)
    assert record is not None
    assert record.delivered_kwh == 3.5  # whatever the substation offers, the meter says


def test_a_full_disk_keeps_rises_back_and_lets_falls_through(books: Books) -> None:
    plug_in(books)
    confirm(books, offers(books)[0])
    books.ledger.set_capacity(9)
    confirm(books, offers(books)[0])
    books.ledger.set_capacity(9)  # what it may draw now is on the disk
    books.store.full = True
    with pytest.raises(NotDurableError):
        books.ledger.set_capacity(15)
    assert offers(books)[0].power_kw == 9
    with pytest.raises(NotDurableError):
        books.ledger.set_capacity(6)
    assert offers(books)[0].power_kw == 6
    books.store.full = False
    books.ledger.set_capacity(15)
    assert offers(books)[0].power_kw == 15


def test_while_the_disk_is_full_a_car_is_as_if_not_plugged_in(books: Books) -> None:
    books.store.full = True
    with pytest.raises(StorageError):
        plug_in(books)
    assert offers(books) == []
    books.store.full = False
    books.ledger.set_capacity(22)
    assert plug_in(books).record.state == "Charging"


def test_others_are_metered_beside_chargers_over_a_kill(
    books: Books, open_books: OpenBooks, tmp_path: Path, clock: SetClock
) -> None:
    """What chargers hold is a change of the limit to the others, and is played again like that."""
    other = books.charge(a_car(energy_kwh=100, vehicle_id="EV-2")).record.session_id
    clock.pass_s(1800)
    plug_in(books)
    clock.pass_s(1800)
    confirm(books, offers(books)[0])
    clock.pass_s(1800)
    books.ledger.unplug(offers(books)[0].session_id, 1.0, None, has_left=True)
    clock.pass_s(1800)
    books.ledger.set_capacity(23)
    before = books.record(other)
    again = open_books(books.crash(tmp_path / "crashed"))
    after = again.record(other)
    assert before is not None
    assert after is not None
    assert after.delivered_kwh == pytest.approx(before.delivered_kwh, abs=1e-9)
    assert before.delivered_kwh == pytest.approx(5.5 + 5.5 + 5.5 + 5.5)


def test_one_that_waits_starts_when_there_is_room(books: Books) -> None:
    for connector in range(1, 6):
        plug_in(books, f"key{connector}", connector, f"EV-{connector}")
    waiting = plug_in(books, "key6", 6, "EV-6").record
    assert (waiting.state, waiting.position) == ("Waiting", 1)
    books.ledger.unplug(offers(books)[0].session_id, None, None, has_left=True)
    started = books.record(waiting.session_id)
    assert started is not None
    assert started.state in ("Charging", "SuspendedEVSE")
    assert offers(books)[-1].position is None


def test_a_charger_that_does_not_obey_does_not_wait(books: Books) -> None:
    plug_in(books, "a", 1, is_controlled=False)
    second = plug_in(books, "b", 2, is_controlled=False).record
    assert second.state == "Charging"
    totals = books.ledger.charger_totals()
    assert (totals.uncontrolled_kw, totals.overbooked_kw) == (44, 22)


def test_the_status_says_what_chargers_may_draw_above_the_capacity(books: Books) -> None:
    plug_in(books)
    confirm(books, offers(books)[0], Reading(21.9))
    books.ledger.set_capacity(9)
    status = books.ledger.status()
    assert (status.load_kw, status.capacity_kw) == (9, 9), "what is given of it"
    assert (status.booked_kw, status.metered_kw, status.overbooked_kw) == (22, 21.9, 13)
    confirm(books, offers(books)[0], Reading(9.0))
    status = books.ledger.status()
    assert (status.booked_kw, status.metered_kw, status.overbooked_kw) == (9, 9, 0)


def test_the_status_says_what_is_drawn_where_there_is_no_capacity_at_all(books: Books) -> None:
    plug_in(books, fallback_kw=4.14, held_kw=4.14)
    books.ledger.set_capacity(0)
    status = books.ledger.status()
    assert (status.load_kw, status.overbooked_kw) == (0, status.booked_kw)
    assert status.booked_kw is not None
    assert status.booked_kw >= 4.14


def test_the_status_says_nothing_of_chargers_where_there_are_none(books: Books) -> None:
    status = books.ledger.status()
    assert (status.booked_kw, status.metered_kw, status.overbooked_kw) == (None, None, 0)


def test_what_a_meter_said_is_believed_for_a_while(books: Books, clock: SetClock) -> None:
    session_id = plug_in(books).record.session_id
    read_s = clock.wall_s()
    confirm(books, offers(books)[0], Reading(20.0, 1.0, read_s))
    clock.pass_s(METER_LIFE_S - 1)
    confirm(books, offers(books)[0], Reading(20.0, 1.0, read_s))  # told again, and no newer by that
    assert shown_kw(books, session_id) == 20
    clock.pass_s(2)
    assert shown_kw(books, session_id) is None
    assert books.ledger.charger_totals().metered_kw == 0


def shown_kw(books: Books, session_id: str) -> float | None:
    record = books.record(session_id)
    assert record is not None
    assert record.metered is not None
    return record.metered.metered_kw


def test_a_new_start_on_a_connector_ends_the_session_there(books: Books) -> None:
    first = plug_in(books, "a").record.session_id
    second = plug_in(books, "b").record.session_id
    assert [offer.session_id for offer in offers(books)] == [second]
    ended = books.record(first)
    assert ended is not None
    assert (ended.state, ended.end_reason) == ("Idle", "Stopped")


def test_a_known_target_that_is_met_is_an_end(books: Books) -> None:
    set_connectors(books, 2, 2)
    session_id = books.charge(a_car(energy_kwh=10, vehicle_id="EV-1")).record.session_id
    assert plug_in(books).record.session_id == session_id
    confirm(books, offers(books)[0], Reading(11.0, 10.02))
    (offer,) = offers(books)
    assert (offer.state, offer.power_kw) == ("Stopping", 0)
    ended = books.ledger.unplug(session_id, 10.05, None, has_left=False)
    assert ended is not None
    assert (ended.record.end_reason, ended.record.delivered_kwh) == ("EnergyDelivered", 10.05)


def test_a_reserved_connector_is_given_up_after_a_while(open_books: OpenBooks, clock: SetClock, tmp_path: Path) -> None:
    books = open_books(capacity_kw=22.0, limits=Limits(reservation_s=900))
    set_connectors(books, 1, 1)
    session_id = books.charge(a_car()).record.session_id
    assert books.refusal(a_car(vehicle_id="EV-2")) is NoRoomError
    again = open_books(books.crash(tmp_path / "crashed"), limits=Limits(reservation_s=900))
    record = again.record(session_id)
    assert record is not None
    assert (record.state, again.ledger.status().free_connectors) == ("Reserved", 0)
    clock.pass_s(901)
    record = again.record(session_id)
    assert record is not None
    assert (record.state, record.end_reason, record.delivered_kwh) == ("Idle", "NotPluggedIn", 0)
    assert again.ledger.status().free_connectors == 1


def test_a_car_that_waits_for_a_connector_keeps_no_power_from_who_has_one(books: Books) -> None:
    set_connectors(books, 2, 0)
    waiting = books.wait(a_car(min_kw=20, max_kw=20, vehicle_id="EV-2")).record
    assert waiting.state == "Waiting"
    assert plug_in(books, vehicle_id="EV-3").record.state == "Charging"


def test_a_car_that_waits_is_found_when_it_plugs_in(books: Books) -> None:
    set_connectors(books, 2, 0)
    waiting = books.wait(a_car(vehicle_id="EV-1")).record
    plugged = plug_in(books).record
    assert (plugged.session_id, plugged.state) == (waiting.session_id, "Charging")
    assert plug_in(books).replayed


def test_a_car_that_charges_without_a_charger_is_found_when_it_plugs_in(books: Books, clock: SetClock) -> None:
    asked = books.charge(a_car(energy_kwh=20, vehicle_id="EV-1")).record
    clock.pass_s(3600)
    assert (asked.state, books.ledger.status().active_sessions) == ("Charging", 1)
    plugged = plug_in(books, held_kw=0.0).record
    assert (plugged.session_id, plugged.charger, plugged.connector) == (asked.session_id, "CP-1", 1)
    assert (plugged.energy_kwh, plugged.delivered_kwh) == (20, 0), "its charger's meter counts, and nothing before it"
    (offer,) = offers(books)
    assert (offer.session_id, offer.state, offer.power_kw) == (asked.session_id, "Charging", 11)
    assert books.ledger.status().active_sessions == 1
    confirm(books, offer, Reading(11.0, 20.0))
    assert offers(books)[0].state == "Stopping", "it has had what was asked for"


def test_what_it_had_without_a_charger_is_no_one_elses_after_a_kill(
    books: Books, open_books: OpenBooks, tmp_path: Path, clock: SetClock
) -> None:
    """Others have shared with it until it came to a charger: what they have had does not change for it."""
    other = books.charge(a_car(max_kw=22, energy_kwh=100, vehicle_id="EV-2")).record.session_id
    session_id = books.charge(a_car(max_kw=22, vehicle_id="EV-1"), "of the driver").record.session_id
    clock.pass_s(3600)
    plug_in(books)
    clock.pass_s(3600)
    books.ledger.set_capacity(22)  # a commit
    before = books.record(other)
    again = open_books(books.crash(tmp_path / "crashed"))
    after, plugged = again.record(other), again.record(session_id)
    assert before is not None
    assert after is not None
    assert plugged is not None
    assert after.delivered_kwh == pytest.approx(before.delivered_kwh, abs=1e-9)
    assert after.delivered_kwh == pytest.approx(22.0), "half of the capacity, before and after"
    assert (plugged.charger, plugged.delivered_kwh) == ("CP-1", 0)


def test_of_two_that_were_asked_for_the_one_with_a_connector_is_found(books: Books) -> None:
    books.charge(a_car(vehicle_id="EV-1"), "charging")
    set_connectors(books, 2, 2)
    reserved = books.charge(a_car(vehicle_id="EV-1"), "reserved").record
    assert plug_in(books).record.session_id == reserved.session_id


def test_one_that_charges_goes_on_when_chargers_become_known(books: Books, clock: SetClock) -> None:
    """It may be at a socket that no edge knows of, so it is not told to plug in."""
    session_id = books.charge(a_car(energy_kwh=11)).record.session_id
    set_connectors(books, 2, 2)
    clock.pass_s(3601)
    record = books.record(session_id)
    assert record is not None
    assert (record.end_reason, record.delivered_kwh) == ("EnergyDelivered", 11)


def test_a_reserved_connector_takes_no_power_from_others(books: Books) -> None:
    """Its minimum is kept from cars that come later; those who charge share all there is."""
    first = plug_in(books, vehicle_id="EV-2").record
    set_connectors(books, 2, 1)
    assert books.charge(a_car(min_kw=11, max_kw=11, vehicle_id="EV-1")).record.state == "Reserved"
    assert [(offer.session_id, offer.power_kw) for offer in offers(books)] == [(first.session_id, 22)]
    assert books.refusal(a_car(vehicle_id="EV-3")) is NoRoomError


def take_nothing(books: Books, clock: SetClock, *session_ids: str) -> None:
    """For as long as makes them rest; all confirm what they are offered."""
    for _ in range(2):
        for offer in offers(books):
            if offer.state != "Waiting":
                confirm(books, offer, Reading(0.0 if offer.session_id in session_ids else offer.power_kw))
        clock.pass_s(REST_S / 2 + 1)
    offers(books)


def states(books: Books) -> list[str]:
    return [offer.state for offer in offers(books)]


def five_cars(books: Books) -> list[str]:
    """As many as there is room for."""
    return [plug_in(books, f"key{n}", n, f"EV-{n}").record.session_id for n in range(1, 6)]


def test_a_full_car_that_stays_leaves_its_place_to_one_that_waits(books: Books, clock: SetClock) -> None:
    full = five_cars(books)[0]
    plug_in(books, "key6", 6, "EV-6")
    assert states(books)[5] == "Waiting"
    take_nothing(books, clock, full)
    assert states(books)[5] == "SuspendedEVSE", "it has begun, and gets power once the other has confirmed its 0 A"
    confirm(books, offers(books)[0])
    assert [offer.power_kw > 0 for offer in offers(books)] == [False, True, True, True, True, True]
    assert states(books)[0] == "SuspendedEV"


def test_also_with_a_safe_current_which_it_loses_first(books: Books, clock: SetClock) -> None:
    first = plug_in(books, "key1", 1, "EV-1", fallback_kw=4.14).record.session_id
    for n in range(2, 7):
        plug_in(books, f"key{n}", n, f"EV-{n}")
    confirm_at_its_safe_current = Report(offers(books)[0].number, offers(books)[0].power_kw, 4.14, 22.0)
    for passed_s in (0, REST_S):
        clock.pass_s(passed_s)
        told = books.ledger.offers(0, None, 0)[0]
        said = SessionReport(first, confirm_at_its_safe_current, Reading(0.0))
        books.ledger.report(Reports(told.epoch, EDGE, 0, None, [], [said]))
    assert [offer.power_kw for offer in offers(books) if offer.session_id == first] == [0]
    for offer in offers(books):
        confirm(books, offer)
    assert offers(books)[5].power_kw >= 4.14


def test_an_edge_renews_what_it_holds_and_nothing_else(books: Books, clock: SetClock) -> None:
    plug_in(books, held_kw=11.0)
    for _ in range(3):
        clock.pass_s(0.5 * LEASE_S)
        books.ledger.offers(0, None, 0, EDGE)
    assert books.ledger.charger_totals().beyond_offers_kw + offers(books)[0].power_kw == 22.0

    for _ in range(3):
        clock.pass_s(0.5 * LEASE_S)
        (offer,) = books.ledger.offers(0, None, 0, "edge-0/born-after")[0].offers
    assert (offer.power_kw, books.ledger.charger_totals().beyond_offers_kw) == (0.0, 0.0)


def test_what_is_given_back_is_nobodys_and_whoever_has_the_charger_claims_it(books: Books, clock: SetClock) -> None:
    plug_in(books)
    told = books.ledger.offers(0, None, 0, EDGE)[0]
    (offer,) = told.offers
    books.ledger.report(Reports(told.epoch, NOBODY, 0, None, [(offer.session_id, offer.number)], []))
    clock.pass_s(1.5 * LEASE_S)
    (offer,) = books.ledger.offers(0, None, 0, EDGE)[0].offers
    assert (offer.holder, offer.power_kw) == (NOBODY, 0.0)

    books.ledger.report(Reports(told.epoch, EDGE, 1, None, [(offer.session_id, offer.number)], []))
    (offer,) = books.ledger.offers(0, None, 0, EDGE)[0].offers
    assert (offer.holder, offer.power_kw) == (EDGE, 22.0)


def test_while_nobody_needs_its_place_it_may_draw_at_any_time(books: Books, clock: SetClock) -> None:
    full = plug_in(books).record.session_id
    take_nothing(books, clock, full)
    (offer,) = offers(books)
    assert (offer.state, offer.power_kw) == ("Charging", 4.14)
    assert books.ledger.status().largest_free_kw == 22
    confirm(books, offer, Reading(4.1))
    confirm(books, offers(books)[0])
    assert offers(books)[0].power_kw > 4.14


def test_of_two_that_rest_each_has_its_turn_in_what_nobody_needs(books: Books, clock: SetClock) -> None:
    """The one may be full, and the other's timer has come."""
    first, second = five_cars(books)[:2]
    books.ledger.set_capacity(17)  # four and a rest
    take_nothing(books, clock, first, second)
    turns = []
    for _ in range(4):
        take_nothing(books, clock, first, second)
        for offer in offers(books):
            confirm(books, offer, Reading(0.0 if offer.session_id in (first, second) else offer.power_kw))
        turns.append(tuple(offer.power_kw > 0 for offer in offers(books)[:2]))
    assert turns in ([(True, False), (False, True)] * 2, [(False, True), (True, False)] * 2)


def test_it_rests_on_after_a_kill(books: Books, open_books: OpenBooks, tmp_path: Path, clock: SetClock) -> None:
    full = five_cars(books)[0]
    plug_in(books, "key6", 6, "EV-6")
    take_nothing(books, clock, full)
    books.ledger.set_capacity(22)  # a commit
    again = open_books(books.crash(tmp_path / "crashed"))
    assert states(again)[0] == "SuspendedEV"
    confirm(again, offers(again)[0])
    assert offers(again)[5].power_kw >= 4.14


def expected_in_s(books: Books, clock: SetClock, session_id: str) -> float | None:
    start_s = books.ledger.offers(0, None, 0)[1].get(session_id)
    return None if start_s is None else start_s - clock.wall_s()


def test_a_start_is_expected_when_one_that_named_its_energy_will_have_it(books: Books, clock: SetClock) -> None:
    books.charge(a_car(energy_kwh=20, vehicle_id="EV-1"))
    five_cars(books)
    waiting = plug_in(books, "key6", 6, "EV-6").record.session_id
    confirm(books, offers(books)[0], Reading(4.0, 16.0, clock.wall_s()))
    assert expected_in_s(books, clock, waiting) == pytest.approx(3600, abs=1)
    clock.pass_s(1800)
    confirm(books, offers(books)[0], Reading(4.0, 18.0, clock.wall_s()))
    assert expected_in_s(books, clock, waiting) == pytest.approx(1800, abs=1)


def test_behind_cars_that_named_none_no_start_is_expected(books: Books, clock: SetClock) -> None:
    five_cars(books)
    waiting = plug_in(books, "key6", 6, "EV-6").record.session_id
    assert expected_in_s(books, clock, waiting) is None


def test_a_car_with_a_reserved_connector_is_expected_to_come(books: Books, clock: SetClock) -> None:
    set_connectors(books, 9, 9)
    books.charge(a_car(min_kw=5, vehicle_id="EV-7"))
    five_cars(books)
    waiting = books.ledger.status().waiting_sessions
    assert waiting == 1
    assert expected_in_s(books, clock, offers(books)[4].session_id) is None


def test_a_start_is_remembered_after_its_end_and_a_kill(books: Books, open_books: OpenBooks, tmp_path: Path) -> None:
    """The edge that has lost all asks with the same key, and learns which session it is to end."""
    set_connectors(books, 2, 2)
    session_id = books.charge(a_car(vehicle_id="EV-1"), "of the driver").record.session_id
    plug_in(books, "of the charger")
    books.ledger.unplug(session_id, 4.0, None, has_left=True)
    again = open_books(books.crash(tmp_path / "crashed"))
    told = plug_in(again, "of the charger")
    assert (told.record.session_id, told.record.state, told.replayed) == (session_id, "Idle", True)
    corrected = again.ledger.unplug(session_id, 4.5, None, has_left=True)
    assert corrected is not None
    assert corrected.record.delivered_kwh == 4.5


def test_who_wants_nobody_knows_how_much_charges_until_it_leaves(books: Books, clock: SetClock) -> None:
    leaves_s = clock.to_grid_s(clock.wall_s() + 7200)
    session_id = books.charge(a_car(energy_kwh=math.inf, departure_s=leaves_s)).record.session_id
    clock.pass_s(7201)
    record = books.record(session_id)
    assert record is not None
    assert (record.end_reason, record.delivered_kwh) == ("Departed", pytest.approx(22.0))


def test_a_lease_that_is_over_is_seen_without_anyone_asking(open_books: OpenBooks, clock: SetClock) -> None:
    books = open_books(capacity_kw=22.0, limits=Limits(lease_s=60))
    session_id = plug_in(books, fallback_kw=1.38).record.session_id
    other = books.charge(a_car()).record.session_id
    clock.pass_s(60 * 1.2 + 2)
    record, beside = books.record(session_id), books.record(other)
    assert record is not None
    assert record.metered is not None
    assert (record.power_kw, record.metered.booked_kw) == (0, 1.38)
    assert beside is not None
    assert beside.power_kw == 11
