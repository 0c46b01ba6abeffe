"""In which way a charger takes limits: which profile carries them, in which unit, whether it takes 0, and all tenths.

Chargers differ, and say so only by refusing. So the ways that the quirks leave open are gone through in order, and what
is refused is not tried again until the charger gets a new chance (`trust`). A refusal means as little as it can:

* a limit of 0 that is refused may have been refused for the 0 alone: the least current is tried next, and only when
  that is refused too, the way itself is given up;
* so with a limit in tenths of an ampere that is no multiple of 0.1 when a program divides (`amps.divisible`): the next
  lower one that is, is tried next;
* a profile that is refused in one unit is tried in the other, unless it is known which unit the charger takes;
* a profile that is accepted and has no effect is given up in both units, as the unit cannot be the reason.

The *carrier* is the first profile that is left, None if none is: then the charger rejects limits.
"""

from __future__ import annotations

from smartgrid.edge.limits import amps
from smartgrid.edge.limits.quirks import Quirks
from smartgrid.edge.ports import ProfileKind, RateUnit

_PLACE = {kind: place for place, kind in enumerate(ProfileKind)}


class Ways:
    """Of one connector."""

    __slots__ = (
        "_dropped", "_first_unit", "_quirks", "_refused", "_takes_zero", "_unit", "_units", "carrier", "has_another",
        "takes_all_tenths",
    )  # fmt: skip

    def __init__(self, quirks: Quirks) -> None:
        self._quirks = quirks
        self._first_unit = quirks.unit or RateUnit.AMPERES
        self._unit: RateUnit | None = quirks.unit
        self._takes_zero = quirks.can_pause
        self.takes_all_tenths = True
        """Not so once it has refused one that is none by division (`amps.divisible`)."""
        self._refused: frozenset[tuple[ProfileKind, RateUnit]] = frozenset()
        self._dropped: frozenset[ProfileKind] = frozenset()
        self.carrier: ProfileKind | None = None
        """The profile that carries limits; None once every way has been refused or was of no effect."""
        self.has_another = False
        """Whether there is another profile to try than the one that carries limits now."""
        self._reckon()

    @property
    def takes_zero(self) -> bool:
        return self._takes_zero

    def unit_of(self, kind: ProfileKind) -> RateUnit | None:
        """In which unit to write this profile; None if it was refused in all."""
        return self._units[_PLACE[kind]]

    def told_unit(self, unit: RateUnit) -> None:
        """The charger has said which unit it takes; the table of quirks knows better where it says something."""
        if self._quirks.unit is None:
            self._unit = unit
            self._reckon()

    def accepted(self, kind: ProfileKind, unit: RateUnit, limit: float) -> None:
        """Whatever it has refused of this kind before, it was not for its kind."""
        if self._unit is None or (kind, unit) in self._refused:
            self._unit = self._unit or unit
            self._refused -= {(kind, unit)}
            self._reckon()
        self._takes_zero = self._takes_zero or limit == 0

    def refused(self, kind: ProfileKind, unit: RateUnit, limit: float) -> None:
        """One with 0 may have been refused for the 0 alone: then the least current is tried before another way. So with
        a tenth that is none by division."""
        if limit == 0 and self._takes_zero:
            self._takes_zero = False
        elif self.may_be_for_its_tenth(unit, limit):
            self.takes_all_tenths = False
        else:
            self._refused |= {(kind, unit)}
            self._takes_zero, self.takes_all_tenths = self._quirks.can_pause, True
            self._reckon()

    def may_be_for_its_tenth(self, unit: RateUnit, limit: float) -> bool:
        """Whether such a limit may be refused because it is no multiple of 0.1 by division."""
        return unit is RateUnit.AMPERES and self.takes_all_tenths and not amps.divisible(limit)

    def had_no_effect(self, kind: ProfileKind) -> None:
        """Accepted, and not applied."""
        self._dropped |= {kind}
        self._reckon()

    def begin_anew(self) -> None:
        """The charger gets a new chance: firmware changes."""
        self._dropped = frozenset()
        self.forget_refusals()

    def forget_refusals(self) -> None:
        """It may take now what it did not."""
        self._refused = frozenset()
        self._takes_zero, self.takes_all_tenths = self._quirks.can_pause, True
        self._reckon()

    def _open_kinds(self) -> list[ProfileKind]:
        return [kind for kind in self._quirks.kinds if kind not in self._dropped and self.unit_of(kind) is not None]

    def _reckon(self) -> None:
        """What follows, kept as it is asked for at each look at a connector."""
        other = RateUnit.WATTS if self._first_unit is RateUnit.AMPERES else RateUnit.AMPERES
        units = (self._unit,) if self._unit is not None else (self._first_unit, other)
        self._units = tuple(
            next((unit for unit in units if (kind, unit) not in self._refused), None) for kind in ProfileKind
        )
        kinds = self._open_kinds()
        self.carrier, self.has_another = kinds[0] if kinds else None, len(kinds) > 1
