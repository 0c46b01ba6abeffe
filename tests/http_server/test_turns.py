"""Whose turn it is, decided without threads and clocks."""

from __future__ import annotations

import pytest

from smartgrid.http_server.turns import Kind, Turn, Turns, budgets, kind_of

NOW_S = 100.0


def turns(**options: float) -> Turns[str]:
    most = {Kind.START: 2, Kind.STOP: 1, Kind.READ: 1, Kind.POLL: 1, Kind.PROBE: 1}
    return Turns(most, **options)  # type: ignore[arg-type]


def fill(some: Turns[str], kind: Kind, number: int) -> list[Turn]:
    return [some.begin(kind, f"{kind.value}-{index}", NOW_S) for index in range(number)]


@pytest.mark.parametrize(
    ("method", "path", "query", "kind"),
    [
        ("POST", b"/charge", b"", Kind.START),
        ("PUT", b"/capacity", b"", Kind.START),
        ("DELETE", b"/charge/x", b"before=1", Kind.STOP),
        ("GET", b"/charge", b"", Kind.READ),
        ("GET", b"/status", b"", Kind.READ),
        ("GET", b"/status", b"epoch=1&since=2&wait_s=60", Kind.POLL),
        ("GET", b"/status", b"since=2", Kind.POLL),
        ("GET", b"/charge/x", b"wait%5Fs=60", Kind.POLL),
        ("GET", b"/health", b"", Kind.PROBE),
        ("HEAD", b"/ready", b"", Kind.PROBE),
        ("GET", b"/metrics", b"", Kind.PROBE),
        ("POST", b"/health", b"", Kind.START),
    ],
)
def test_kinds(method: str, path: bytes, query: bytes, kind: Kind) -> None:
    assert kind_of(method, path, query) is kind


def test_beyond_the_budget_one_waits_and_takes_the_place_that_is_left() -> None:
    some = turns()
    assert fill(some, Kind.START, 3) == [Turn.NOW, Turn.NOW, Turn.LATER]
    assert some.end(Kind.START) == "start-2"
    assert some.end(Kind.START) is None
    assert (some.under_way()[Kind.START], some.waiting()[Kind.START]) == (1, 0)


def test_those_who_wait_have_their_turn_in_the_order_in_which_they_came() -> None:
    some = turns()
    fill(some, Kind.START, 5)
    assert [some.end(Kind.START) for _ in range(4)] == ["start-2", "start-3", "start-4", None]


def test_beyond_the_queue_one_is_refused() -> None:
    some = turns(max_waiting=1)
    assert fill(some, Kind.START, 4) == [Turn.NOW, Turn.NOW, Turn.LATER, Turn.NEVER]


def test_who_has_waited_too_long_waits_no_more() -> None:
    some = turns(max_wait_s=2.0)
    fill(some, Kind.START, 3)
    some.begin(Kind.START, "later", NOW_S + 1)
    assert some.expired(NOW_S + 1.9) == []
    assert some.expired(NOW_S + 2.0) == ["start-2"]
    assert some.end(Kind.START) == "later"


@pytest.mark.parametrize("kind", [Kind.STOP, Kind.READ, Kind.POLL, Kind.PROBE])
def test_starts_keep_no_one_else_waiting(kind: Kind) -> None:
    some = turns()
    fill(some, Kind.START, 600)
    assert some.begin(kind, "other", NOW_S) is Turn.NOW


def test_a_long_poll_too_many_takes_the_place_of_a_read() -> None:
    some = turns()
    assert some.place_for(Kind.POLL) is Kind.POLL
    some.begin(Kind.POLL, "poll", NOW_S)
    assert some.place_for(Kind.POLL) is Kind.READ
    assert some.place_for(Kind.START) is Kind.START


@pytest.mark.parametrize("threads", [2, 3, 64, 512])
def test_every_kind_has_a_budget(threads: int) -> None:
    found = budgets(threads)
    assert set(found) == set(Kind)
    assert all(most >= 1 for most in found.values())
