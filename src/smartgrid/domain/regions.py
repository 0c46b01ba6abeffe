"""In which regions a car may be placed, and which of them is asked first.

A balancer of regions has balancers as its members, and which of them is right for a car is not a matter of load alone:
power is local, so a driver on the way to a garage in the west can do nothing with room in the east. Three things decide
before the load does:

1.  **The wish.** A request may name regions: only these are asked, the first first, the next one when all before it
    have no room or do not answer. Naming one makes it the only one.
2.  **Residency.** Where the request's tenant is bound to a place, only regions whose label has that value are asked,
    whatever the wish says. A tenant that is bound to a place which no region has is refused, never placed elsewhere.
3.  **Priority.** Without a wish the regions with the lowest `priority` are asked first, and the next lowest when none
    of them could take the car: so a region can be kept for failover.

What comes out is an order of *tiers*, sets of regions. Within a tier the policy decides as among substations. `None`
says that nothing was asked for and nothing is to be told apart: then the fleet is asked as if it had no regions. A key
that has a session goes to that session, whatever the wish says by now: this is asked only for new sessions.

Pure: no clock, no fleet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Tiers = tuple[frozenset[str], ...]


class RegionError(Exception):
    """No region may be asked; the message is for who sent the car."""


class UnknownRegionError(RegionError):
    """The wish names what is no region here."""


class NotAllowedError(RegionError):
    """The tenant is bound to a place that no region, or none of those wished for, has."""


@dataclass(frozen=True, slots=True)
class Region:
    """A member that is the balancer of a region. The lowest `priority` is asked first."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request says of regions: the only ones that will do, best first, and where its tenant is bound to."""

    regions: tuple[str, ...] | None = None
    residency: str | None = None


ANYWHERE = Wish()


class Regions:
    """The regions of one balancer, by name. None for a balancer of substations, which is one region itself."""

    def __init__(self, regions: Sequence[Region] = (), residency_label: str = "", own_name: str = "") -> None:
        """`residency_label` names the label that says where a region is; empty where no tenant is bound."""
        self._regions = {each.name: each for each in regions}
        self._label, self._own_name = residency_label, own_name
        levels = sorted({each.priority for each in regions})
        self._by_priority = tuple(frozenset(e.name for e in regions if e.priority == level) for level in levels)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._regions)

    def tiers(self, wish: Wish) -> Tiers | None:
        """Whom to ask, tier by tier; None where the whole fleet is one. Raises RegionError where it is nobody."""
        if wish.regions is None and wish.residency is None:
            return self._by_priority if len(self._by_priority) > 1 else None
        if not self._regions:
            self._check_it_is_here(wish)
            return None
        tiers = self._by_priority if wish.regions is None else self._in_order(wish.regions)
        if wish.residency is not None:
            allowed = self._of_residency(wish.residency)
            tiers = tuple(left for tier in tiers if (left := tier & allowed))
            if not tiers:
                which = "No region" if wish.regions is None else "None of these regions"
                raise NotAllowedError(f"{which} is where the tenant's cars may be charged ({wish.residency}).")
        return tiers

    def _check_it_is_here(self, wish: Wish) -> None:
        if wish.regions is not None and self._own_name not in wish.regions:
            raise UnknownRegionError("There are no regions to choose from here; leave `region` out.")
        if wish.residency is not None:
            raise NotAllowedError("The tenant is bound to a place, and nothing says where this grid is.")

    def _in_order(self, names: Sequence[str]) -> Tiers:
        unknown = [name for name in names if name not in self._regions]
        if unknown:
            known = ", ".join(sorted(self._regions))
            raise UnknownRegionError(f"There is no region {unknown[0]}; `region` takes {known}.")
        return tuple(frozenset((name,)) for name in dict.fromkeys(names))

    def _of_residency(self, value: str) -> frozenset[str]:
        if not self._label:
            return frozenset()
        return frozenset(each.name for each in self._regions.values() if each.labels.get(self._label) == value)
