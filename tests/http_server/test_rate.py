"""How often one may ask: the algorithm, by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.http_server.rate import Limiter, Rate, parse

TEN_A_SECOND = Rate(10, 1.0, 5)


def taken(limiter: Limiter, times_s: list[float], key: str = "a") -> list[bool]:
    return [limiter.take(key, now_s).is_within for now_s in times_s]


def test_a_burst_is_let_through_and_the_next_is_not():
    assert taken(Limiter(TEN_A_SECOND), [0.0] * 6) == [True] * 5 + [False]


def test_after_a_burst_one_comes_back_each_interval():
    limiter = Limiter(TEN_A_SECOND)
    taken(limiter, [0.0] * 5)

    assert taken(limiter, [0.09, 0.1, 0.11, 0.2]) == [False, True, False, True]


def test_who_is_refused_is_told_when_it_will_be_let_through():
    limiter = Limiter(TEN_A_SECOND)
    taken(limiter, [0.0] * 5)

    refused = limiter.take("a", 0.03)

    assert refused.retry_in_s == pytest.approx(0.07)
    assert limiter.take("a", 0.03 + refused.retry_in_s).is_within


def test_a_refusal_costs_nothing_of_what_is_left():
    limiter = Limiter(TEN_A_SECOND)
    taken(limiter, [0.0] * 5 + [0.05] * 1000)

    assert limiter.take("a", 0.1).is_within


def test_what_is_left_is_counted_down_and_comes_back():
    limiter = Limiter(TEN_A_SECOND)

    assert [limiter.take("a", 0.0).left for _ in range(5)] == [4, 3, 2, 1, 0]
    assert limiter.take("a", 60.0).left == 4


def test_each_has_its_own():
    limiter = Limiter(TEN_A_SECOND)
    taken(limiter, [0.0] * 6, "a")

    assert limiter.take("b", 0.0).is_within


def test_the_number_of_those_remembered_is_bounded_and_the_longest_unused_goes_first():
    limiter = Limiter(Rate(1, 3600.0, 1), max_keys=3)
    for key in "abc":
        limiter.take(key, 0.0)
    limiter.take("a", 0.1)

    limiter.take("d", 0.2)

    assert len(limiter) == 3
    assert not limiter.take("a", 0.3).is_within
    assert limiter.take("b", 0.4).is_within


@given(
    st.integers(1, 100),
    st.integers(1, 50),
    st.lists(st.floats(0, 5), min_size=1, max_size=200),
    st.floats(0.01, 3),
)
def test_no_stretch_of_time_ever_has_more_than_the_burst_and_the_rate_allow(count, burst, waits_s, span_s):
    limiter, now_s, let_through = Limiter(Rate(count, 1.0, burst)), 0.0, []
    for wait_s in waits_s:
        now_s += wait_s / 10
        if limiter.take("a", now_s).is_within:
            let_through.append(now_s)

    for begin_s in let_through:
        within = sum(begin_s <= each <= begin_s + span_s for each in let_through)
        assert within <= burst + span_s * count + 1


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("20/s burst 40", Rate(20, 1.0, 40)),
        ("100/m", Rate(100, 60.0, 100)),
        ("5 / h  burst 2", Rate(5, 3600.0, 2)),
    ],
)
def test_rates_are_read(text, rate):
    assert parse(text) == rate


@pytest.mark.parametrize("text", ["", "20", "0/s", "20/d", "20/s burst 0", "-1/s", "20/s burst", "9999999/s", "1e3/s"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(ValueError, match="20/s burst 40"):
        parse(text)
