"""How long discovery waits between tries."""

from __future__ import annotations

import random

from smartgrid.runtime.backoff import Backoff


class NoJitter(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return b


def test_waits_double_up_to_the_cap() -> None:
    backoff = Backoff(first_s=0.5, longest_s=3, jitter=NoJitter())
    assert [backoff.next_s() for _ in range(5)] == [0.5, 1, 2, 3, 3]


def test_success_begins_anew() -> None:
    backoff = Backoff(first_s=0.5, longest_s=3, jitter=NoJitter())
    backoff.next_s()
    backoff.next_s()
    backoff.succeeded()
    assert backoff.next_s() == 0.5


def test_each_wait_is_cut_by_at_most_half() -> None:
    backoff = Backoff(first_s=1, longest_s=1, jitter=random.Random(7))
    waits = [backoff.next_s() for _ in range(200)]
    assert all(0.5 <= wait <= 1 for wait in waits)
    assert len(set(waits)) > 100


def test_an_outage_of_days_does_not_overflow() -> None:
    backoff = Backoff(longest_s=5, jitter=NoJitter())
    for _ in range(100_000):
        backoff.next_s()
    assert backoff.next_s() == 5
