"""How much it costs to take away places for cars of sizes that few substations have room for."""

from __future__ import annotations

from typing import NamedTuple

from smartgrid.domain.routing.by_free import ByFree
from smartgrid.domain.routing.candidate import LEVELS

PLACES_WANTED = 33.0  # times the largest car's share of a substation
MOST_PLACES_WANTED = 24.0  # to count more would slow decisions down and gains little
WEIGHT = 8.0


class Scarce(NamedTuple):
    """A size of which fewer places are left than wanted, and what taking one costs, in levels."""

    size_kw: float
    cost: int


def scarce_sizes(sizes_kw: tuple[float, ...], by_free: ByFree, typical_kw: float) -> list[Scarce]:
    """The sizes that are scarce, of `sizes_kw`, which has the largest first, in substations of about `typical_kw`.

    The fewer places of a size are left, the dearer they are; so are those of large sizes, and all where the largest
    car is a large part of a substation, since such cars fit nowhere by chance.
    """
    found: list[Scarce] = []
    if not sizes_kw:
        return found
    largest_share = min(1.0, sizes_kw[0] / typical_kw)
    wanted = min(PLACES_WANTED * largest_share, MOST_PLACES_WANTED)
    for size_kw in sizes_kw:
        left = by_free.places(size_kw, wanted)
        if left >= wanted:
            break  # and smaller sizes have more
        shortage = 1 - left / wanted
        found.append(Scarce(size_kw, round(LEVELS * WEIGHT * largest_share * size_kw / typical_kw * shortage**2)))
    return found
