"""Whether a charger does what it is told, what to do where it does not, and when it gets another chance.

What it refuses is tried another way (`ways.py`) until there is none: then it *rejects*. What it accepts and does not do
(`obedience.py`) is written once more, then by another profile, and then it *ignores*. In both cases it is uncontrolled:
what it may draw is its rating. Each `ANEW_S` it is tried again: who rejected is simply asked, who ignored has to follow
a limit of half of what its car draws (a *trial*), as only that can be seen.

Who does not answer at all, `UNANSWERED` times, counts as one who rejects until it answers: what it may draw is reckoned
from what was written all the same, and it is written to as before. So does who loses its connection each time instead:
some programs crash on a profile, and come again, and crash.
"""

from __future__ import annotations

import math
from enum import Enum, auto

from smartgrid.edge.limits.obedience import CLEARLY_LESS_A, Obeying, Verdict, exceeds
from smartgrid.edge.limits.quirks import Quirks
from smartgrid.edge.limits.ways import Ways
from smartgrid.edge.ports import LimitOrder, Obedience, ProfileKind

ANEW_S = 900.0
TRIAL_FROM_A = 8.0
"""What a car must draw for it to be seen whether it follows a limit of half of that."""
UNANSWERED = 3
FELL = 0.98
"""What may be drawn has clearly fallen, if it is less than this of what it was."""


class Remedy(Enum):
    """What is to be done about a reading."""

    NONE = auto()
    WRITE_AGAIN = auto()
    WRITE_OTHERWISE = auto()


class Trust:
    """In one connector of a charger."""

    __slots__ = (
        "_has_asked", "_has_chance", "_judged_a", "_minimum_a", "_obeying", "_unanswered", "_was_repeated", "anew_s",
        "is_controlled", "obedience", "trial_a", "ways",
    )  # fmt: skip

    def __init__(self, quirks: Quirks) -> None:
        self.ways = Ways(quirks)
        self.obedience = Obedience.UNKNOWN
        self.is_controlled = True
        self.trial_a: float | None = None
        self.anew_s = math.inf
        self._minimum_a = quirks.minimum_a
        self._obeying = Obeying()
        self._judged_a = 0.0
        self._unanswered = 0
        self._was_repeated = self._has_chance = self._has_asked = False

    @property
    def may_write(self) -> bool:
        """Whether limits are worth being written."""
        return self.is_controlled or self._has_chance

    def another_car(self, now_s: float) -> None:
        self._obeying.reset(now_s)
        self.trial_a = None

    def pass_time(self, drawn_a: float, now_s: float) -> None:
        """Give it its chance when it is time; `drawn_a` is what its car draws now, 0 without one."""
        if self.is_controlled or now_s < self.anew_s:
            return
        self.anew_s = now_s + ANEW_S
        if self.obedience is Obedience.IGNORES:
            if drawn_a < TRIAL_FROM_A:
                return  # nothing could be seen of it
            self.trial_a = float(max(self._minimum_a, drawn_a // 2))
        self.ways.begin_anew()
        self._has_chance = True

    def accepted(self, order: LimitOrder, *, is_other: bool, now_s: float) -> None:
        """It has taken an order; `is_other`: of another limit than the one before."""
        self._heard()
        self.ways.accepted(order.kind, order.unit, order.limit)
        if is_other:
            self._obeying.confirmed(now_s)
        if order.duration_s is not None and self.obedience is Obedience.REJECTS:
            self._regain(Obedience.UNKNOWN)

    def unanswered(self) -> None:
        """Its time for an answer to an order is over, or its connection."""
        self._unanswered += 1
        if self._is_silent and self.is_controlled:
            self.obedience = Obedience.REJECTS

    @property
    def _is_silent(self) -> bool:
        return self._unanswered >= UNANSWERED

    def _heard(self) -> None:
        if self._is_silent and self.is_controlled:
            self.obedience = Obedience.UNKNOWN
        self._unanswered = 0

    def refused(self, order: LimitOrder, now_s: float) -> None:
        self._heard()
        self.ways.refused(order.kind, order.unit, order.limit)
        if self.ways.carrier is None:
            self._lose(Obedience.REJECTS, now_s)

    def rebooted(self) -> None:
        """What it has refused is tried again; that it ignores limits is not forgotten."""
        self.ways.forget_refusals()
        self._has_chance |= self.obedience is Obedience.REJECTS

    def measured(
        self,
        drawn_a: float,
        offered_a: float | None,
        limit_a: float,
        safe_a: float | None,
        rating_a: float,
        now_s: float,
        *,
        is_pending: bool,
    ) -> Remedy:
        """A reading, for each phase. `is_pending`: what was to be written again has not been yet."""
        if limit_a < self._judged_a * FELL:
            self._obeying.confirmed(now_s)  # a profile has run out meanwhile
        self._judged_a = limit_a
        could_be_stuck = self.ways.carrier is ProfileKind.TX and self.ways.has_another
        verdict = self._obeying.measured(
            drawn_a, offered_a, limit_a, safe_a if could_be_stuck else None, rating_a, now_s
        )
        if verdict is Verdict.EXCEEDS:
            return self._disobeyed(now_s, is_pending=is_pending)
        if verdict is Verdict.STUCK:
            return self._not_applied(now_s)
        if verdict is Verdict.FOLLOWS and not self._is_silent and (self.is_controlled or self.trial_a is not None):
            self._regain(Obedience.OBEYS)
            self._was_repeated = False
        return Remedy.NONE

    def is_to_ask(self, limit_a: float, safe_a: float) -> bool:
        """Whether its composite schedule would tell if a TxProfile is applied; asked once."""
        is_clear = abs(limit_a - safe_a) >= CLEARLY_LESS_A
        return is_clear and not self._has_asked and self.ways.carrier is ProfileKind.TX

    def schedule_told(self, told_a: float | None, limit_a: float, safe_a: float, now_s: float) -> Remedy:
        """Its composite schedule; None where it did not say. A lower limit may be a cable's, and is good."""
        self._has_asked = True
        if told_a is None or self.ways.carrier is not ProfileKind.TX or not self.ways.has_another:
            return Remedy.NONE
        is_safe = abs(told_a - safe_a) <= CLEARLY_LESS_A / 2 and limit_a - safe_a >= CLEARLY_LESS_A
        return self._not_applied(now_s) if is_safe or exceeds(told_a, limit_a) else Remedy.NONE

    def _disobeyed(self, now_s: float, *, is_pending: bool) -> Remedy:
        self._obeying.confirmed(now_s)
        if not self.is_controlled:
            self._lose(self.obedience, now_s)
        elif is_pending:
            return Remedy.NONE
        elif not self._was_repeated:
            self._was_repeated = True
            return Remedy.WRITE_AGAIN
        elif self.ways.has_another:
            return self._not_applied(now_s)
        else:
            self._lose(Obedience.IGNORES, now_s)
        return Remedy.NONE

    def _not_applied(self, now_s: float) -> Remedy:
        carrier = self.ways.carrier
        assert carrier is not None
        self.ways.had_no_effect(carrier)
        self._obeying.confirmed(now_s)
        return Remedy.WRITE_OTHERWISE

    def _regain(self, obedience: Obedience) -> None:
        self.obedience, self.is_controlled = obedience, True
        self._has_chance, self.trial_a, self.anew_s = False, None, math.inf

    def _lose(self, obedience: Obedience, now_s: float) -> None:
        self.obedience, self.is_controlled = obedience, False
        self._has_chance, self.trial_a, self.anew_s = False, None, now_s + ANEW_S
