"""How much an owner may have at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.domain.quotas import UNBOUNDED, Quota, Tally, Used, use_of

NAMES = st.sampled_from(["a", "b"])
POWERS_KW = st.sampled_from([3.7, 7.4, 11.0]) | st.floats(0.1, 350)


def used(*powers_kw: float) -> Used:
    found = Used()
    for power_kw in powers_kw:
        found = found.plus(use_of(power_kw))
    return found


@pytest.mark.parametrize(
    ("quota", "powers_kw", "allowed"),
    [
        (Quota(sessions=2), [50, 50], True),
        (Quota(sessions=2), [1, 1, 1], False),
        (Quota(power_kw=22), [11, 11], True),
        (Quota(power_kw=22), [11, 11, 0.1], False),
        (Quota(sessions=3, power_kw=22.2), [7.4, 7.4, 7.4], True),  # as floats they are a little more than 22.2
        (Quota(sessions=3, power_kw=22), [7.4, 7.4, 7.4], False),
        (Quota(sessions=2, power_kw=99), [7.4, 7.4, 7.4], False),
        (UNBOUNDED, [350] * 100, True),
    ],
)
def test_both_bounds_hold(quota: Quota, powers_kw: list[float], allowed: bool) -> None:
    assert quota.allows(used(*powers_kw)) is allowed


def test_a_quota_says_what_it_is() -> None:
    shown = [str(quota) for quota in (Quota(2, 44), Quota(1), Quota(power_kw=7.4), UNBOUNDED)]
    assert shown == ["2 sessions and 44 kW", "1 session", "7.4 kW", "any number of sessions"]
    assert [bool(quota) for quota in (Quota(1), Quota(power_kw=1.0), UNBOUNDED)] == [True, True, False]


@given(st.lists(st.tuples(NAMES, POWERS_KW, st.booleans()), max_size=60))
def test_what_has_come_and_gone_leaves_nothing_behind(steps: list[tuple[str, float, bool]]) -> None:
    tally, there = Tally(), list[tuple[str, float]]()
    for name, power_kw, comes in steps:
        if comes or not there:
            there.append((name, power_kw))
            tally.begin(name, use_of(power_kw))
        else:
            gone, its_kw = there.pop(int(power_kw) % len(there))
            tally.end(gone, use_of(its_kw))
        for each in ("a", "b"):
            assert tally.of(each) == used(*(kw for owner, kw in there if owner == each))
    assert dict(tally).keys() == {owner for owner, _ in there}
