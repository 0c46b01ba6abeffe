"""An edge tells each substation the state of its sessions, again until it has arrived."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from edge.grid.harness import Running, report, running
from edge.grid.strange_substation import Said, StrangeSubstation
from smartgrid.edge.grid.report_box import MAX_BATCH
from smartgrid.protocol.offers import NOBODY
from support.processes import wait_until


def due_s(edge: Running) -> float:
    """When there is something to be told; never, once all is."""
    return edge.grid._substation("s0").box.due_s


def are_told(edge: Running, session_ids: list[str]) -> bool:
    return all(map(edge.grid._substation("s0").box.is_told, session_ids))


@pytest.fixture
def edge(substation: StrangeSubstation) -> Iterator[Running]:
    with running({"s0": substation.url}) as found:
        found.watch()
        yield found


def test_a_report_is_told_under_the_epoch_and_the_edges_name(substation: StrangeSubstation, edge: Running) -> None:
    edge.report(report(held_kw=7.0))

    (asked,) = substation.wait_asked("POST /reports")
    assert (asked.body["epoch"], asked.body["edge"]) == (11, edge.grid.edge)
    assert asked.body["sessions"][0]["held_kw"] == 7.0
    assert asked.body["connectors"] is None


def test_what_is_reported_before_the_first_offers_waits_for_them(substation: StrangeSubstation) -> None:
    substation.scripts["GET /offers"] = lambda _asked: Said(503)
    with running({"s0": substation.url}) as edge:
        edge.watch()
        edge.report(report())
        substation.wait_asked("GET /offers", 2)
        assert not substation.asked("POST /reports")

        del substation.scripts["GET /offers"]

        substation.wait_asked("POST /reports")


@pytest.mark.parametrize("fault", [Said(503), Said(500), Said(401), None], ids=["503", "500", "401", "closed"])
def test_it_is_told_again_until_it_has_arrived(
    substation: StrangeSubstation, edge: Running, fault: Said | None
) -> None:
    substation.scripts["POST /reports"] = lambda _asked: fault
    edge.report(report())
    substation.wait_asked("POST /reports", 3)

    del substation.scripts["POST /reports"]

    wait_until(lambda: edge.reports("taken") == 1, 20, "it is taken")
    asked = len(substation.asked("POST /reports"))
    edge.report(report("s-2"))
    assert [each["session_id"] for each in substation.wait_asked("POST /reports", asked + 1)[-1].body["sessions"]] == [
        "s-2"
    ]


def test_a_substation_that_was_restarted_is_told_everything_anew(substation: StrangeSubstation, edge: Running) -> None:
    edge.report(report("s-1"))
    edge.report(report("s-2"))
    edge.do(edge.grid.connectors, "s0", 4, 2)

    def all_is_told() -> bool:
        asked = substation.asked("POST /reports")
        told = {each["session_id"] for one in asked for each in one.body["sessions"]}
        is_whole = told == {"s-1", "s-2"} and any(one.body.get("connectors") for one in asked)
        return is_whole and edge.reports("taken") == len(asked) and edge.do(due_s, edge) == math.inf

    wait_until(all_is_told, 20, "all is told")
    before = len(substation.asked("POST /reports"))

    substation.restart()

    again = substation.wait_asked("POST /reports", before + 1)[before]
    assert again.body["epoch"] == 12
    assert {each["session_id"] for each in again.body["sessions"]} == {"s-1", "s-2"}
    assert again.body["connectors"] == {"total": 4, "free": 2}


def test_each_batch_has_a_greater_sequence_so_that_one_that_comes_late_undoes_nothing(
    substation: StrangeSubstation, edge: Running
) -> None:
    refusals = iter([Said(503), Said(503)])
    substation.scripts["POST /reports"] = lambda asked: next(refusals, None) or substation.answer(asked)
    edge.report(report(held_kw=9.0))
    wait_until(lambda: edge.reports("taken") == 1, 20, "it is taken")
    edge.report(report(held_kw=8.0))
    wait_until(lambda: edge.reports("taken") == 2, 20, "it is taken")

    sequences = [asked.body["sequence"] for asked in substation.asked("POST /reports")]
    assert sequences == sorted(set(sequences))


def test_sessions_that_the_substation_does_not_have_are_told_of_once(
    substation: StrangeSubstation, edge: Running
) -> None:
    substation.gone = ["s-1", "never-reported"]

    edge.report(report("s-1"))
    wait_until(lambda: bool(edge.heard.lost), 20, "it is told")
    edge.report(report("s-2"))
    wait_until(lambda: edge.reports("taken") >= 2, 20, "the next is taken")

    assert edge.heard.lost == [("s0", ("s-1",))]
    assert [each["session_id"] for each in substation.asked("POST /reports")[-1].body["sessions"]] == ["s-2"]


def test_a_claim_is_sent_with_the_number_that_it_is_for(substation: StrangeSubstation, edge: Running) -> None:
    edge.do(edge.grid.claim, "s0", "s-1", 4)

    assert substation.wait_asked("POST /reports")[0].body["claims"] == [["s-1", 4]]


def test_a_session_is_given_back_by_a_claim_in_nobodys_name(substation: StrangeSubstation, edge: Running) -> None:
    edge.do(edge.grid.give_back, "s0", "s-1", 4)
    edge.report(report("s-2", power_kw=1.0))

    given, told = substation.wait_asked("POST /reports", times=2)
    assert (given.body["edge"], given.body["claims"], given.body["sessions"]) == (NOBODY, [["s-1", 4]], [])
    assert told.body["edge"].startswith("edge-0/")
    assert "claims" not in told.body


def test_what_is_due_is_told_before_the_edge_ends(substation: StrangeSubstation) -> None:
    with running({"s0": substation.url}) as edge:
        edge.watch()
        sessions = [f"s-{number}" for number in range(2 * MAX_BATCH)]
        for each in sessions:
            edge.report(report(each, power_kw=1.0))
        wait_until(lambda: edge.do(are_told, edge, sessions), 20, "all is told")
        for each in sessions:
            edge.report(report(each, power_kw=2.0))

    told = [session for asked in substation.asked("POST /reports") for session in asked.body["sessions"]]
    assert {each["session_id"]: each["power_kw"] for each in told} == dict.fromkeys(sessions, 2.0)


def test_one_that_takes_no_reports_at_all_is_told_of_one_report_at_a_time_and_they_are_counted(
    substation: StrangeSubstation, edge: Running
) -> None:
    substation.scripts["POST /reports"] = lambda _asked: Said(422, {"code": "invalid-request"})
    for number in range(5):
        edge.report(report(f"s-{number}"))

    wait_until(lambda: edge.reports("lost") == 5, 20, "each is refused by itself")
