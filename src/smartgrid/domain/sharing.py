"""Max-min fair sharing of one capacity between sessions: water-filling, as plainly as it can be said.

This is the specification. It walks over all sessions; what substations run is `domain.water_level`, which comes to the
same and does not, and the tests hold the one against the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from smartgrid.domain.request import PowerRange


def share_kw(capacity_kw: float, ranges: Sequence[PowerRange]) -> list[float]:
    """The power of each session, in the order of `ranges`.

    Max-min fair (Bertsekas and Gallager, Data Networks, 6.5.2) with floors: every session gets its minimum, and what is
    left raises the lowest first, until each is at its maximum or the capacity is used up. So there is one level to
    which all are filled: each gets `clamp(level, min_kw, max_kw)`.

    Raises ValueError if the minimums alone exceed the capacity: who is to be suspended is not decided here.
    """
    if sum(r.min_kw for r in ranges) > capacity_kw + TOLERANCE_KW:
        raise ValueError(f"the minimums exceed the capacity of {capacity_kw} kW")
    if sum(r.max_kw for r in ranges) <= capacity_kw:
        return [r.max_kw for r in ranges]
    level_kw = _water_level_kw(capacity_kw, ranges)
    return [min(max(level_kw, r.min_kw), r.max_kw) for r in ranges]


TOLERANCE_KW = 1e-9  # a microwatt: what sums of floats may be off by, and no meter sees


def _water_level_kw(capacity_kw: float, ranges: Sequence[PowerRange]) -> float:
    """The level at which the clamped sum meets the capacity, found by walking up the corners where a session
    starts to rise (its minimum) or stops (its maximum)."""
    corners = sorted([(r.min_kw, 1) for r in ranges] + [(r.max_kw, -1) for r in ranges])
    used_kw = sum(r.min_kw for r in ranges)
    level_kw, rising = 0.0, 0
    for corner_kw, change in corners:
        step_kw = (corner_kw - level_kw) * rising
        if rising and used_kw + step_kw >= capacity_kw:
            break
        used_kw += step_kw
        level_kw, rising = corner_kw, rising + change
    return level_kw + max(0.0, capacity_kw - used_kw) / rising if rising else level_kw
