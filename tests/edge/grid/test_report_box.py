"""What a substation has still to be told: of each session the latest, until it has arrived."""

from __future__ import annotations

import json
import math

import pytest

from edge.grid.harness import report
from smartgrid.edge.grid.report_box import (
    GATHER_S,
    MAX_BATCH,
    MAX_SESSIONS,
    Batch,
    Connectors,
    ReportBox,
    encode,
    read_gone,
)
from smartgrid.edge.ports import CarState, SessionReport


def told(box: ReportBox, now_s: float = 0.0) -> list[SessionReport]:
    """The next batch, which arrives."""
    batch = box.take()
    box.arrived(batch, now_s)
    return list(batch.reports)


def box_that_told(first: SessionReport) -> ReportBox:
    box = ReportBox()
    box.add(first, 0.0)
    assert told(box) == [first]
    assert box.due_s == math.inf
    return box


def test_a_session_that_is_new_is_told_at_once() -> None:
    box = ReportBox()

    box.add(report(), 5.0)

    assert box.due_s == 5.0


@pytest.mark.parametrize(
    "change",
    [{"held_kw": 10.0}, {"is_controlled": False}, {"number": 2}, {"fallback_kw": 0.0}, {"fallback_kw": 5.0}],
    ids=["held falls", "not controlled", "later offer adopted", "fallback falls", "fallback rises"],
)
def test_what_others_wait_for_is_told_at_once(change: dict[str, float]) -> None:
    box = box_that_told(report())

    box.add(report(**change), 5.0)

    assert box.due_s == 5.0


def test_what_was_not_known_to_be_held_and_is_now_is_told_at_once() -> None:
    box = box_that_told(report(held_kw=None))

    box.add(report(held_kw=11.0), 5.0)

    assert box.due_s == 5.0


@pytest.mark.parametrize(
    "change",
    [{"held_kw": 12.0}, {"power_kw": 3.0}, {"energy_kwh": 3.0}, {"held_kw": None}],
    ids=["held rises", "power", "energy", "held not known any more"],
)
def test_a_report_that_frees_no_power_is_gathered(change: dict[str, float]) -> None:
    box = box_that_told(report())

    box.add(report(**change), 5.0)

    assert box.due_s == 5.0 + GATHER_S


def test_gathering_is_not_put_off_by_what_comes_later() -> None:
    box = box_that_told(report())

    for second in range(5):
        box.add(report(power_kw=float(second)), second / 10)

    assert box.due_s == GATHER_S


def test_of_each_session_the_latest_is_told() -> None:
    box = ReportBox()
    for kw in (11.0, 9.0, 7.0):
        box.add(report("s-1", held_kw=kw), 0.0)
    box.add(report("s-2"), 0.0)

    assert told(box) == [report("s-1", held_kw=7.0), report("s-2")]
    assert told(box) == []


def test_what_has_not_arrived_is_told_again() -> None:
    box = ReportBox()
    box.add(report(), 0.0)
    box.take()

    box.failed(3.0)

    assert box.due_s == 3.0
    assert told(box) == [report()]


def test_what_changes_while_it_is_on_its_way_is_told_next() -> None:
    box = ReportBox()
    box.add(report(held_kw=11.0), 0.0)
    batch = box.take()
    box.add(report(held_kw=6.0), 0.1)

    box.arrived(batch, 0.2)

    assert box.due_s == 0.1
    assert told(box) == [report(held_kw=6.0)]


def test_everything_is_told_anew_after_a_restart() -> None:
    box = ReportBox()
    box.add(report("s-1"), 0.0)
    box.add(report("s-2"), 0.0)
    box.set_connectors(Connectors(4, 2), 0.0)
    told(box)

    box.repeat_all(9.0)

    assert box.due_s == 9.0
    batch = box.take()
    assert (len(batch.reports), batch.connectors) == (2, Connectors(4, 2))


def test_a_session_that_has_ended_is_not_told_again() -> None:
    box = ReportBox()
    box.add(report("s-1"), 0.0)
    box.claim("s-1", 4, 0.0)

    box.forget(["s-1", "never-heard-of"])
    box.repeat_all(1.0)

    assert box.take() == Batch((), (), None)
    assert len(box) == 0


def test_a_batch_is_bounded_and_the_rest_follows_at_once() -> None:
    box = ReportBox()
    for number in range(MAX_BATCH + 5):
        box.add(report(f"s-{number}"), 0.0)

    assert len(told(box, now_s=2.0)) == MAX_BATCH
    assert box.due_s == 2.0
    assert len(told(box)) == 5


def test_a_full_batch_has_room_in_a_request() -> None:
    box = ReportBox()
    for number in range(MAX_BATCH):
        whole = report(
            f"{number:022}", number=2**31, held_kw=1 / 3, power_kw=2 / 3, energy_kwh=100 / 3, measured_wall_s=1.8e9,
            fallback_kw=4.1400000000000006, car=CarState.SUSPENDED_EVSE
        )  # fmt: skip
        box.add(whole, 0.0)
        box.claim(f"{number:022}", 2**31, 0.0)

    assert len(encode(box.take(), 2**53, "edge-63/12345678", 2**40)) < 64 * 1024


def test_sessions_are_bounded_and_those_that_are_known_go_on() -> None:
    box = ReportBox()
    for number in range(MAX_SESSIONS):
        assert box.add(report(f"s-{number}"), 0.0)

    assert not box.add(report("one-more"), 0.0)
    assert box.add(report("s-7", held_kw=1.0), 0.0)


def test_one_report_that_is_refused_spoils_no_other() -> None:
    box, sessions = ReportBox(), [f"s-{number}" for number in range(100)]
    for each in sessions:
        box.add(report(each), 0.0)
    arrived: list[str] = []
    lost: list[str] = []

    while box.due_s < math.inf:
        batch = box.take()
        ids = [each.session_id for each in batch.reports]
        if "s-42" not in ids:
            box.arrived(batch, 0.0)
            arrived += ids
        elif box.refused(batch, 0.0):
            lost += ids

    assert lost == ["s-42"]
    assert sorted(arrived) == sorted(set(sessions) - {"s-42"})


def test_a_session_is_told_once_its_newest_report_has_arrived() -> None:
    box = ReportBox()
    assert not box.is_told("s-1")
    box.add(report(fallback_kw=0.0), 0.0)
    under_way = box.take()
    box.add(report(fallback_kw=4.14), 0.1)

    box.arrived(under_way, 0.2)
    assert not box.is_told("s-1")
    told(box)
    assert box.is_told("s-1")

    box.forget(["s-1"])
    assert not box.is_told("s-1")


def test_connectors_are_told_when_they_change() -> None:
    box = ReportBox()
    box.set_connectors(Connectors(4, 2), 1.0)
    assert box.due_s == 1.0
    told(box)

    box.set_connectors(Connectors(4, 2), 2.0)
    assert box.due_s == math.inf

    box.set_connectors(Connectors(4, 1), 3.0)
    assert box.due_s == 3.0


def test_a_claim_is_made_until_it_has_arrived_and_the_newest_number_counts() -> None:
    box = ReportBox()
    box.claim("s-1", 4, 1.0)
    first = box.take()
    box.claim("s-1", 6, 1.5)
    box.arrived(first, 2.0)

    assert first.claims == (("s-1", 4),)
    assert box.due_s == 1.5
    assert box.take().claims == (("s-1", 6),)


def test_a_batch_is_sent_with_epoch_edge_and_sequence() -> None:
    full = report(
        power_kw=6.2, energy_kwh=1.25, measured_wall_s=1_800_000_000.0, car=CarState.SUSPENDED_EV, is_controlled=False
    )
    batch = Batch((full, report("s-2", held_kw=None)), (("s-3", 9),), Connectors(4, 1))

    assert json.loads(encode(batch, 11, "edge-0/abcd", 3)) == {
        "epoch": 11,
        "edge": "edge-0/abcd",
        "sequence": 3,
        "connectors": {"total": 4, "free": 1},
        "claims": [["s-3", 9]],
        "sessions": [
            {
                "session_id": "s-1",
                "number": 1,
                "held_kw": 11.0,
                "fallback_kw": 4.14,
                "rating_kw": 22.0,
                "is_controlled": False,
                "power_kw": 6.2,
                "energy_kwh": 1.25,
                "measured_at": "2027-01-15T08:00:00.000Z",
                "car": "SuspendedEV",
            },
            {
                "session_id": "s-2",
                "number": 1,
                "held_kw": None,
                "fallback_kw": 4.14,
                "rating_kw": 22.0,
                "is_controlled": True,
            },
        ],
    }


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b'{"gone": 7}', b'{"gone": null}', b"{}"])
def test_rubbish_says_of_no_session_that_it_is_gone(body: bytes) -> None:
    assert read_gone(body) == []


def test_ids_that_are_gone_are_read() -> None:
    assert read_gone(b'{"gone": ["s-1", 7, "s-2"]}') == ["s-1", "s-2"]
