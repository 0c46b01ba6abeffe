"""How many calls the gateway may send a second time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smartgrid.gateway.retry_budget import BESIDES_A_SECOND, SHARE, WINDOW_S, RetryBudget

BESIDES = BESIDES_A_SECOND * WINDOW_S


def allowed(budget: RetryBudget, now_s: float, tries: int = 10_000) -> int:
    return sum(budget.allows(now_s) for _ in range(tries))


def test_with_few_calls_there_are_three_a_second() -> None:
    assert allowed(RetryBudget(), 100) == BESIDES


def test_with_many_calls_there_is_a_tenth_more() -> None:
    budget = RetryBudget()
    for _ in range(5_000):
        budget.called(100)

    assert allowed(budget, 100) == 500 + BESIDES


def test_once_it_is_spent_there_are_more_only_as_time_passes() -> None:
    budget = RetryBudget()
    allowed(budget, 100)

    assert allowed(budget, 100 + WINDOW_S - 1) == 0
    assert allowed(budget, 100 + WINDOW_S) == BESIDES


def test_calls_of_long_ago_count_no_more() -> None:
    budget = RetryBudget()
    for _ in range(5_000):
        budget.called(100)

    assert allowed(budget, 100 + WINDOW_S) == BESIDES


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=300))
def test_never_more_than_the_share_and_a_few_in_any_window(steps: list[tuple[float, bool]]) -> None:
    budget, now_s = RetryBudget(), 1000.0
    calls: list[float] = []
    retries: list[float] = []
    for pause_s, again in steps:
        now_s += pause_s
        if not again:
            budget.called(now_s)
            calls.append(now_s)
        elif budget.allows(now_s):
            retries.append(now_s)
        begin_s = int(now_s) - WINDOW_S + 1
        recent_calls, recent = (sum(each >= begin_s for each in times) for times in (calls, retries))
        assert recent <= SHARE * max(recent_calls, len(calls)) + BESIDES
        assert recent <= BESIDES + SHARE * len(calls)
