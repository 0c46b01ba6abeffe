"""Who is slow, with time as an argument."""

from __future__ import annotations

import random
import statistics

import pytest

from smartgrid.balancer.slowness import ANSWERS, JUDGED_FROM, LEAST_S, SLOW_FOR_S, Slowness

NOW_S = 100.0


def fleet(size: int = 9, answer_s: float = 0.01) -> Slowness:
    slowness = Slowness()
    for number in range(size):
        answers(slowness, f"other-{number}", [answer_s] * JUDGED_FROM)
    return slowness


def answers(slowness: Slowness, name: str, durations_s: list[float], now_s: float = NOW_S) -> None:
    for duration_s in durations_s:
        slowness.note(name, duration_s, now_s)


def test_one_that_is_much_slower_than_the_others_is_slow() -> None:
    slowness = fleet()
    answers(slowness, "one", [0.7] * JUDGED_FROM)
    assert slowness.names() == {"one"}


def test_a_few_answers_say_nothing() -> None:
    slowness = fleet()
    answers(slowness, "one", [0.7] * (JUDGED_FROM - 1))
    assert "one" not in slowness


def test_some_slow_answers_among_many_are_nothing() -> None:
    slowness = fleet()
    answers(slowness, "one", [0.01, 0.7, 0.01] * ANSWERS)
    assert "one" not in slowness


def test_only_the_last_answers_count() -> None:
    slowness = fleet()
    answers(slowness, "one", [0.01] * 1000 + [0.7] * (ANSWERS // 2 + 1))
    assert "one" in slowness


@pytest.mark.parametrize(("others_s", "its_s", "slow"), [(0.001, LEAST_S, False), (0.001, LEAST_S + 0.01, True)])
def test_milliseconds_are_never_slow(others_s: float, its_s: float, slow: bool) -> None:
    slowness = fleet(answer_s=others_s)
    answers(slowness, "one", [its_s] * JUDGED_FROM)
    assert ("one" in slowness) is slow


def test_where_all_are_slow_no_one_is() -> None:
    slowness = fleet(answer_s=0.5)
    answers(slowness, "one", [1.5] * JUDGED_FROM)
    assert "one" not in slowness


def test_of_two_the_slower_one_is_slow_and_one_alone_is_not() -> None:
    pair, alone = fleet(size=1), Slowness()
    for slowness in (pair, alone):
        answers(slowness, "one", [0.7] * JUDGED_FROM)
    assert pair.names() == {"one"}
    assert alone.names() == set()


def test_after_a_while_it_is_judged_anew() -> None:
    slowness = fleet()
    answers(slowness, "one", [0.7] * JUDGED_FROM)
    assert slowness.pardoned(NOW_S + SLOW_FOR_S - 1) == []
    assert slowness.pardoned(NOW_S + SLOW_FOR_S) == ["one"]
    assert "one" not in slowness

    answers(slowness, "one", [0.01] * ANSWERS)
    assert "one" not in slowness
    answers(slowness, "two", [0.7] * JUDGED_FROM)
    assert slowness.names() == {"two"}


def test_one_that_is_forgotten_counts_no_more() -> None:
    slowness = fleet(size=2)
    answers(slowness, "one", [0.7] * JUDGED_FROM)
    for name in ("one", "other-0", "other-1", "never seen"):
        slowness.forget(name)
    answers(slowness, "two", [0.7] * JUDGED_FROM)
    assert slowness.names() == set()


def test_the_middle_of_the_fleet_is_kept_as_answers_come_and_members_go() -> None:
    rng, slowness, last = random.Random(1), Slowness(), dict[str, list[float]]()
    for _ in range(5000):
        name = f"substation-{rng.randrange(40)}"
        if rng.random() < 0.05:
            slowness.forget(name)
            last.pop(name, None)
        else:
            duration_s = rng.choice([0.01, 0.02, rng.random()])
            slowness.note(name, duration_s, NOW_S)
            last[name] = [*last.get(name, []), duration_s][-ANSWERS:]
    medians_s = sorted(statistics.median_low(each) for each in last.values())
    assert slowness._medians_s == medians_s
