"""A long poll as several shorter ones: answered when the state changes, when its time is over, or when nobody waits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from smartgrid.domain.session import SessionState
from smartgrid.gateway.long_poll import SLICE_S, poll
from smartgrid.http_client.answer import Answer, Headers
from smartgrid.web.charge_views import WaitQuery

WAITING = b'{"session_id": "s.1", "state": "Waiting"}'
CHARGING = b'{"session_id": "s.1", "state": "Charging"}'


class Upstream:
    """A balancer, by its own clock: answers of a status, a body, and after how long, of what it was told to wait."""

    def __init__(self, *answers: tuple[int, bytes, float | None]) -> None:
        self._answers, self.asked, self.now_s = list(answers), list[int](), 0.0

    def ask(self, wait_s: int) -> Answer:
        self.asked.append(wait_s)
        status, body, took_s = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        self.now_s += wait_s if took_s is None else took_s
        return Answer(status, Headers(), body)

    def poll(self, wait_s: int, is_ending: Callable[[], bool] = lambda: False) -> Answer:
        return poll(self.ask, WaitQuery(wait_s, SessionState.WAITING), is_ending, lambda: self.now_s)


def test_without_a_change_it_takes_its_time_and_no_more() -> None:
    upstream = Upstream((200, WAITING, None))
    assert upstream.poll(60).body == WAITING
    assert upstream.asked == [SLICE_S] * 12
    assert upstream.now_s == 60


@pytest.mark.parametrize(("wait_s", "asked"), [(1, [1]), (7, [5, 2]), (10, [5, 5])])
def test_the_last_question_waits_for_what_is_left(wait_s: int, asked: list[int]) -> None:
    upstream = Upstream((200, WAITING, None))
    upstream.poll(wait_s)
    assert upstream.asked == asked


def test_a_change_is_told_when_it_comes() -> None:
    upstream = Upstream((200, WAITING, None), (200, CHARGING, 1.5))
    assert upstream.poll(60).body == CHARGING
    assert upstream.now_s == SLICE_S + 1.5


def test_a_change_between_two_questions_is_told_with_the_second() -> None:
    upstream = Upstream((200, WAITING, None), (200, CHARGING, 0))
    assert upstream.poll(60).body == CHARGING
    assert len(upstream.asked) == 2


def test_a_change_before_the_first_question_is_told_with_it() -> None:
    upstream = Upstream((200, CHARGING, 0))
    assert upstream.poll(60).body == CHARGING
    assert len(upstream.asked) == 1


def test_who_has_no_place_to_wait_at_the_balancer_is_answered_at_once() -> None:
    upstream = Upstream((200, WAITING, 0.001))
    assert upstream.poll(60).body == WAITING
    assert len(upstream.asked) == 1


@pytest.mark.parametrize(("status", "body"), [(404, b"{}"), (503, b"{}"), (200, b"not JSON"), (200, b"[]")])
def test_what_is_no_session_is_passed_on_at_once(status: int, body: bytes) -> None:
    upstream = Upstream((status, body, None))
    assert upstream.poll(60).status == status
    assert len(upstream.asked) == 1


def test_a_gateway_that_ends_waits_for_one_question_at_the_most() -> None:
    upstream = Upstream((200, WAITING, None))
    upstream.poll(60, lambda: upstream.now_s > 7)
    assert upstream.now_s == 2 * SLICE_S
