"""How much it costs to take away places for cars of sizes that few substations have room for."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from smartgrid.domain.routing.candidate import LEVELS, Candidate
from smartgrid.domain.routing.roomiest import Roomiest
from smartgrid.domain.sharing import TOLERANCE_KW

PLACES_WANTED = 24  # where the largest car fills a substation; where it takes a share of one, this share of them
WEIGHT = 14.0


class Wanted(NamedTuple):
    """How many places of each size should be left, and (size_kw, how dear it is if there are none) of each."""

    number: float
    enough: int  # the same as a whole number
    sizes: Sequence[tuple[float, float]]


class Scarcity(NamedTuple):
    """The sizes of which fewer places are left than wanted.

    `costs` has a (size_kw, what taking one costs in levels) for each, the largest first, `below_kw` is the smallest of
    them, and `few` are those with room for that, the roomiest first. It stays true until a substation with at least
    `below_kw` free changes, or fewer than `enough` have `plenty_kw` free.
    """

    costs: Sequence[tuple[float, float]] = ()
    below_kw: float = math.inf
    few: Sequence[Candidate] = ()
    enough: int = 1
    plenty_kw: float = -math.inf


def wanted_places(sizes_kw: Sequence[float], typical_kw: float) -> Wanted:
    """For cars of `sizes_kw`, the largest first, on substations of about `typical_kw`.

    Places are the dearer the larger they are, and all where the largest car is a large part of a substation, since
    such cars fit nowhere by chance.
    """
    if not sizes_kw or not typical_kw:
        return Wanted(1, 1, ())
    largest_share = min(1.0, sizes_kw[0] / typical_kw)
    dear = LEVELS * WEIGHT * largest_share / typical_kw
    number = PLACES_WANTED * largest_share
    return Wanted(number, math.ceil(number), [(size_kw, dear * size_kw) for size_kw in sizes_kw])


def find_scarcity(wanted: Wanted, roomiest: Roomiest) -> Scarcity:
    """The fewer places of a size are left, the more one costs.

    `roomiest` must know `PLACES_WANTED` substations, if there are that many.
    """
    costs: list[tuple[float, float]] = []
    keys = roomiest.keys
    first, below_kw, plenty_kw = len(keys), math.inf, -math.inf
    for size_kw, dear in wanted.sizes:
        position = bisect_left(keys, size_kw - TOLERANCE_KW)
        shortage = 1 - (len(keys) - position) / wanted.number
        if shortage <= 0:
            plenty_kw = size_kw
            break  # and smaller sizes have more
        first, below_kw = position, size_kw
        costs.append((size_kw, dear * shortage * shortage // 1))
    return Scarcity(costs, below_kw, roomiest.candidates[first:][::-1], wanted.enough, plenty_kw)
