"""An edge keeps a poll open to each substation that it watches; each answer is a lease."""

from __future__ import annotations

import json
import time

import pytest

from edge.grid.harness import Running, running
from edge.grid.strange_substation import Said, StrangeSubstation, offer
from smartgrid.domain.status import Status
from smartgrid.edge.grid.offers import MAX_SESSIONS, AbsurdAnswerError, interval_s, read, wait_s
from smartgrid.protocol import status_header
from support.processes import wait_until


def test_answers_with_many_sessions_are_asked_for_less_often_but_every_second() -> None:
    assert [interval_s(sessions) for sessions in (0, 20, 200, MAX_SESSIONS)] == [0.1, 0.1, 1.0, 1.0]


def test_what_is_offered_is_told_whole(substation: StrangeSubstation, edge: Running) -> None:
    substation.offer(offer("s-1", number=3, offer_kw=7.4), offer("s-2", state="Waiting", offer_kw=0.0, position=1))

    edge.watch()

    told = edge.wait_offers()
    assert (told.substation, told.epoch, told.capacity_kw, told.firm_capacity_kw) == ("s0", 11, 100.0, 40.0)
    first, second = told.sessions
    assert (first.session_id, first.number, first.offer_kw, first.charger, first.connector) == (
        "s-1",
        3,
        7.4,
        "CP-1",
        1,
    )
    assert (second.state, second.position) == ("Waiting", 1)


def test_a_lease_is_reckoned_from_when_it_was_asked_for(substation: StrangeSubstation, edge: Running) -> None:
    def late(_asked: object) -> Said:
        time.sleep(0.5)
        return substation.answer(substation.requests[-1])

    substation.scripts["GET /offers"] = late
    before_s = time.monotonic()

    edge.watch()

    told = edge.wait_offers()
    assert before_s <= told.lease_end_s - 900 <= substation.requests[0].at_s


def test_a_change_comes_without_being_asked_for(substation: StrangeSubstation, edge: Running) -> None:
    edge.watch()
    edge.wait_offers()
    wait_until(lambda: substation.polls_open == 1, 20, "the poll is open")

    substation.offer(offer("s-1", number=4, offer_kw=6.0))

    assert edge.wait_offers(times=2).sessions[0].offer_kw == 6.0
    query = dict(substation.asked("GET /offers")[1].query)
    assert query.pop("edge").startswith("edge-0/")
    assert query == {"epoch": "11", "since": "1", "wait_s": "30"}


def test_only_one_poll_is_open_however_often_it_is_watched(substation: StrangeSubstation, edge: Running) -> None:
    for _ in range(5):
        edge.watch()

    edge.wait_offers()
    wait_until(lambda: substation.polls_open == 1, 20, "the poll is open")
    assert len(substation.asked("GET /offers")) == 2


def test_an_answer_with_nothing_new_is_told_as_it_renews_the_lease(
    substation: StrangeSubstation, edge: Running
) -> None:
    substation.lease_s = 6.0
    edge.watch()
    first = edge.wait_offers()

    again = edge.wait_offers(times=2)

    assert again.revision == first.revision
    assert again.lease_end_s > first.lease_end_s
    assert substation.asked("GET /offers")[1].query["wait_s"] == "2"


def test_sessions_of_this_edge_are_told_from_those_of_others(substation: StrangeSubstation, edge: Running) -> None:
    ours = offer("s-1", edge=edge.grid.edge)
    substation.offer(ours, offer("s-2", edge="edge-0/00000000"), offer("s-3"))

    edge.watch()

    assert [each.is_ours for each in edge.wait_offers().sessions] == [True, False, False]


def test_an_edge_has_another_name_after_each_start() -> None:
    with running() as one, running() as other:
        assert one.grid.edge.partition("/")[0] == other.grid.edge.partition("/")[0] == "edge-0"
        assert one.grid.edge != other.grid.edge


@pytest.mark.parametrize(
    "strange",
    [
        Said(200, b"not json"),
        Said(200, b""),
        Said(200, {"epoch": 1}),
        Said(200, [1, 2]),
        Said(200, b"\xff" * 100),
        Said(200, b"[" * 100_000),
    ],
    ids=["no json", "empty", "incomplete", "list", "no text", "deep"],
)
def test_an_absurd_answer_is_counted_and_ignored(substation: StrangeSubstation, edge: Running, strange: Said) -> None:
    substation.scripts["GET /offers"] = lambda _asked: strange
    edge.watch()
    wait_until(lambda: edge.grid.counters.offers["absurd"] >= 1, 20, "it is counted")
    assert not edge.heard.offers
    (state,) = edge.do(edge.grid.states)
    assert not state.is_reached

    del substation.scripts["GET /offers"]

    edge.wait_offers()
    (state,) = edge.do(edge.grid.states)
    assert state.is_reached


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_whoever_refuses_is_asked_again(substation: StrangeSubstation, edge: Running, status: int) -> None:
    substation.scripts["GET /offers"] = lambda _asked: Said(status, {"code": "no"})
    edge.watch()
    wait_until(lambda: edge.grid.counters.offers["refused"] >= 2, 20, "it is asked again")

    del substation.scripts["GET /offers"]

    edge.wait_offers()


def test_a_connection_that_closes_without_an_answer_is_followed_by_another(
    substation: StrangeSubstation, edge: Running
) -> None:
    substation.scripts["GET /offers"] = lambda _asked: None
    edge.watch()
    wait_until(lambda: edge.grid.counters.offers["unanswered"] >= 2, 20, "it is asked again")

    del substation.scripts["GET /offers"]

    edge.wait_offers()


def test_an_answer_of_another_substation_is_none(substation: StrangeSubstation, edge: Running) -> None:
    """Its address may be another one's by now."""
    status = Status(1.0, 0.0, 0.0, 0.0, 0, 1, None, 1.0)

    def from_another(_asked: object) -> Said:
        said = substation.answer(substation.requests[-1])
        return Said(200, said.body, {"Smartgrid-Status": status_header.encode("s1", status, None)})

    substation.scripts["GET /offers"] = from_another
    edge.watch()

    wait_until(lambda: edge.grid.counters.offers["refused"] >= 2, 20, "it is not believed")
    assert not edge.heard.offers


def test_a_fault_in_who_hears_the_offers_ends_no_poll(substation: StrangeSubstation, edge: Running) -> None:
    def fail(_offers: object) -> None:
        raise RuntimeError("a fault of the charger layer")

    edge.heard.on_offers = fail
    edge.watch()
    edge.wait_offers()

    substation.offer(offer())

    edge.wait_offers(times=2)


def test_a_substation_that_is_no_longer_watched_is_not_polled(substation: StrangeSubstation, edge: Running) -> None:
    edge.watch()
    wait_until(lambda: substation.polls_open == 1, 20, "the poll is open")

    edge.do(edge.grid.unwatch, "s0")

    assert edge.do(edge.grid.states) == []
    asked = len(substation.requests)
    substation.offer(offer())
    wait_until(lambda: substation.polls_open == 0, 20, "the poll has been answered to no one")
    assert len(substation.requests) == asked


GOOD = {
    "epoch": 1,
    "revision": 1,
    "lease_s": 900,
    "capacity_kw": 1.0,
    "firm_capacity_kw": 1.0,
    "sessions": [offer()],
}


def answer(**changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def test_a_newer_substation_may_say_more() -> None:
    found, lease_s = read("s0", answer(more=1, sessions=[offer(more={})]), 100.0, "e")

    assert (found.asked_s, found.lease_end_s, lease_s) == (100.0, 1000.0, 900.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"lease_s": 0},
        {"lease_s": -1},
        {"lease_s": 3601},
        {"lease_s": True},
        {"lease_s": "900"},
        {"epoch": -1},
        {"epoch": 2**60},
        {"capacity_kw": -1},
        {"capacity_kw": 1e12},
        {"sessions": None},
        {"sessions": [offer("s-1"), offer("s-1")]},
        {"sessions": [offer(f"s-{n}") for n in range(MAX_SESSIONS + 1)]},
        {"sessions": [offer(offer_kw=-0.1)]},
        {"sessions": [offer(offer_kw=1e9)]},
        {"sessions": [offer(offer_kw="7")]},
        {"sessions": [offer(number=-1)]},
        {"sessions": [offer(number=1.5)]},
        {"sessions": [offer(session_id="../../etc")]},
        {"sessions": [offer(session_id="")]},
        {"sessions": [offer(charger="x" * 300)]},
        {"sessions": [offer(connector=-1)]},
        {"sessions": [offer(connector=100_000)]},
        {"sessions": [offer(transaction_id="x" * 65)]},
        {"sessions": [offer(meter_kwh=-5)]},
        {"sessions": [{"session_id": "s-1"}]},
    ],
)
def test_what_is_out_of_bounds_is_no_answer(changes: dict[str, object]) -> None:
    with pytest.raises(AbsurdAnswerError):
        read("s0", answer(**changes), 100.0, "e")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_what_is_no_number_is_no_offer(number: str) -> None:
    body = answer(sessions=[offer(offer_kw=7.25)]).replace(b"7.25", number.encode())

    with pytest.raises(AbsurdAnswerError):
        read("s0", body, 100.0, "e")


@pytest.mark.parametrize(("lease_s", "expected"), [(900, 30), (90, 30), (30, 10), (10, 3), (1, 1), (0.1, 1)])
def test_a_poll_is_held_so_that_three_come_within_a_lease(lease_s: float, expected: int) -> None:
    assert wait_s(lease_s) == expected
