"""What each session at a substation with chargers is to have in the end: max-min fair, whoever meters it.

A target is a wish. What may be offered now is `charger_sessions`' business: falls at once, rises as far as what is
booked leaves room; all get to their targets once the falls of the others are confirmed.

What is drawn anyway, whether a session is given power or not, makes this more than `sharing.share_kw`: a safe current
cannot be taken away by an offer. So whoever draws its minimum anyway is fed first, as that costs nothing; minimums are
then given in the order of age while they fit; and the safe currents of those who get nothing come off what the others
share, without pausing one more, since whoever was paused would draw as much again without any word.

Substations without chargers do not come here: theirs is `domain.water_level`. Here every session is looked at anew
with each change, O(n log n) at n of them, which chargers on a wall can afford.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smartgrid.domain.request import PowerRange
from smartgrid.domain.sharing import TOLERANCE_KW, share_kw


@dataclass(frozen=True, slots=True)
class Need:
    """What a session can use, and what it draws anyway, also if it is given nothing. One that `rests` takes nothing as
    far as is known: it gets what nobody else needs."""

    power: PowerRange
    anyway_kw: float = 0.0
    rests: bool = False


def targets_kw(capacity_kw: float, needs: Sequence[Need], besides_kw: float = 0.0) -> list[float]:
    """The power of each, in the order of `needs`, the oldest first, and after all others those that rest.

    Whoever draws its minimum anyway and does not rest is fed, as that costs nothing; and so are the oldest of the
    others whose minimums fit beside. They share the capacity, and the rest is given nothing. What of its minimum the
    rest draws anyway, and what is drawn by those that are not in the list (`besides_kw`), comes off what is shared, but
    pauses nobody: if all word from the edge ended, whoever was paused would draw as much again.
    """
    fed = {number for number, need in enumerate(needs) if need.anyway_kw >= need.power.min_kw and not need.rests}
    least_kw = sum(needs[number].anyway_kw for number in fed)
    for number, need in enumerate(needs):
        if number in fed:
            continue
        least_kw += need.power.min_kw
        if least_kw > capacity_kw + TOLERANCE_KW:
            break
        fed.add(number)
    ranges = [_with_anyway(needs[number]) for number in sorted(fed)]
    left_kw = capacity_kw - besides_kw - sum(need.anyway_kw for n, need in enumerate(needs) if n not in fed)
    shared_kw = max(left_kw, sum(power.min_kw for power in ranges))  # what is drawn anyway pauses nobody who is fed
    shares = dict.fromkeys(range(len(needs)), 0.0)
    shares |= zip(sorted(fed), share_kw(shared_kw, ranges), strict=True)
    return list(shares.values())


def _with_anyway(need: Need) -> PowerRange:
    power = need.power
    return PowerRange(max(power.min_kw, need.anyway_kw), max(power.max_kw, need.anyway_kw))
