"""What each session at a substation with chargers is to have in the end: max-min fair, whoever meters it.

Substations without chargers do not come here: theirs is `domain.water_level`. Here every session is looked at anew
with each change, O(n log n) at n of them, which chargers on a wall can afford.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smartgrid.domain.request import PowerRange
from smartgrid.domain.sharing import TOLERANCE_KW, share_kw


@dataclass(frozen=True, slots=True)
class Claim:
    """What a session can use, and what it draws anyway, also if it is given nothing."""

    power: PowerRange
    anyway_kw: float = 0.0


def targets_kw(capacity_kw: float, claims: Sequence[Claim], besides_kw: float = 0.0) -> list[float]:
    """The power of each, in the order of `claims`, the oldest first.

    The oldest whose minimums fit share the capacity, the newer ones are given nothing. What those draw anyway, and
    others with no claim (`besides_kw`), comes off what is shared, but pauses nobody: if all word from the edge ended,
    whoever is paused would draw as much again.
    """
    fed, least_kw = 0, 0.0
    for claim in claims:
        least_kw += _with_anyway(claim).min_kw
        if least_kw > capacity_kw + TOLERANCE_KW:
            break
        fed += 1
    ranges = [_with_anyway(claim) for claim in claims[:fed]]
    left_kw = capacity_kw - besides_kw - sum(claim.anyway_kw for claim in claims[fed:])
    shares = share_kw(max(left_kw, sum(power.min_kw for power in ranges)), ranges) if fed else []
    return shares + [0.0] * (len(claims) - fed)


def _with_anyway(claim: Claim) -> PowerRange:
    power = claim.power
    return PowerRange(max(power.min_kw, claim.anyway_kw), max(power.max_kw, claim.anyway_kw))
