"""When the gateway's circuit breaker lets calls through."""

from __future__ import annotations

import pytest

from smartgrid.gateway.breaker import OPEN_AFTER, PROBE_EVERY_S, Breaker, Verdict


def opened(at_s: float) -> Breaker:
    breaker = Breaker()
    for _ in range(OPEN_AFTER):
        breaker.unanswered(at_s)
    return breaker


def test_calls_pass_until_so_many_in_a_row_are_not_answered() -> None:
    breaker = Breaker()
    for _ in range(OPEN_AFTER):
        assert breaker.verdict(100) is Verdict.CALL
        breaker.unanswered(100)

    assert breaker.is_open
    assert breaker.verdict(100) is Verdict.FAIL


def test_an_answer_in_between_begins_the_count_anew() -> None:
    breaker = Breaker()
    for _ in range(3 * OPEN_AFTER):
        for _ in range(OPEN_AFTER - 1):
            breaker.unanswered(100)
        breaker.answered()

    assert breaker.verdict(100) is Verdict.CALL


def test_once_a_second_one_call_finds_out() -> None:
    breaker = opened(100)

    verdicts = {now_s: [breaker.verdict(now_s) for _ in range(3)] for now_s in (100.9, 101.0, 101.9, 102.0)}

    assert verdicts[100.9] == verdicts[101.9] == [Verdict.FAIL] * 3
    assert verdicts[101.0] == verdicts[102.0] == [Verdict.PROBE, Verdict.FAIL, Verdict.FAIL]


@pytest.mark.parametrize("late", [1, 1000])
def test_calls_that_fail_while_it_is_open_do_not_put_the_probe_off(late: int) -> None:
    breaker = opened(100)
    for _ in range(late):
        breaker.unanswered(100.5)

    assert breaker.verdict(100 + PROBE_EVERY_S) is Verdict.PROBE


def test_an_answer_closes_it() -> None:
    breaker = opened(100)
    breaker.answered()

    assert not breaker.is_open
    assert breaker.verdict(100) is Verdict.CALL
