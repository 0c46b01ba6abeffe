"""What stands in one place of a charger for a profile: what it has confirmed, and what it may have taken besides.

A *place* is a purpose, a stack level and an id: a profile that is sent there replaces the one before. A connector has
two, one for its TxProfile and one for the profile that stays (`connector_limit`). What a charger may draw is bounded by
all that may stand in them, so a slot never forgets an order before it is sure that it does not count:

* an order that is sent counts at once, beside what stands: it may be applied before its answer is here;
* accepted, it stands, and neither what stood before nor any earlier order counts: a charger takes orders in turn;
* refused, it is as if it had never been sent;
* *lost* (no answer in time, or the connection is over), it goes on to count beside what stands, until a later order in
  the same place is accepted, or until its own end.

An end is a time by our clock, as late as it can be: a relative profile begins when the charger takes it, so until its
answer is here `ends_s` has in it how long that may take (`late_s`).

`standing` is what is confirmed, `in_flight` the last order that waits for its answer, `possible` all that may count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from smartgrid.edge.ports import RateUnit

MOST_LOST = 8
"""More orders without an answer than this are kept as one that allows what any of them allows."""


@dataclass(frozen=True, slots=True)
class Written:
    """A limit until `ends_s`, then `then_limit`; None then: this profile is over, and says nothing any more.

    One that begins when its charger takes it has in `ends_s` that it may do so `late_s` after it was written.
    """

    limit: float
    unit: RateUnit
    ends_s: float = math.inf
    then_limit: float | None = None
    duration_s: float = math.inf
    written_s: float = 0.0
    late_s: float = 0.0

    def at(self, now_s: float) -> float | None:
        return self.limit if now_s < self.ends_s else self.then_limit

    def taken(self, by_s: float) -> Written:
        """It has begun, at this time at the latest."""
        if not self.late_s:
            return self
        late_s = by_s - self.written_s
        return replace(self, ends_s=self.ends_s + late_s - self.late_s, late_s=late_s)

    def lost(self, now_s: float) -> Written:
        """It may have begun, at this time at the latest, or within what was reckoned with."""
        return self.taken(max(now_s, self.written_s + self.late_s))

    @property
    def last(self) -> float | None:
        """What it comes to in the end."""
        return self.limit if self.ends_s == math.inf else self.then_limit


@dataclass(frozen=True, slots=True)
class Sent:
    """An order to which no answer is known; `is_open` while one may come."""

    sequence: int
    written: Written
    is_open: bool = True


class Slot:
    """See above. `is_known` is False where an earlier process may have written what this one does not know.

    What follows from what is held is looked at with each meter value, and changes with each order: so it is kept.
    """

    __slots__ = ("_possible", "_sent", "in_flight", "is_known", "standing")

    def __init__(self) -> None:
        self.is_known = False
        self._hold(None, [])

    def empty(self) -> None:
        """There is no profile here, but for what is under way: not every charger looks for which car that was."""
        self.is_known = True
        self._hold(None, self._sent)
        self.lost(None, -math.inf)

    @property
    def is_certain(self) -> bool:
        return self.is_known and not self._sent

    def sent(self, sequence: int, written: Written) -> None:
        self._hold(self.standing, [*self._sent, Sent(sequence, written)])

    def find(self, sequence: int) -> Written | None:
        """What was ordered so, if it still matters."""
        return next((sent.written for sent in self._sent if sent.sequence == sequence), None)

    def accepted(self, sequence: int, now_s: float) -> None:
        """It holds, and nothing before it."""
        written = next(sent.written for sent in self._sent if sent.sequence == sequence)
        self.is_known = True
        self._hold(written.taken(now_s), [sent for sent in self._sent if sent.sequence > sequence])

    def refused(self, sequence: int) -> None:
        self._hold(self.standing, [sent for sent in self._sent if sent.sequence != sequence])

    def lost(self, sequence: int | None, now_s: float) -> None:
        """No answer to this one, or to none (None), until now: it may have been taken."""
        sent = [
            replace(each, is_open=False, written=each.written.lost(now_s))
            if each.is_open and sequence in (None, each.sequence)
            else each
            for each in self._sent
        ]
        self._hold(self.standing, sent if len(sent) <= MOST_LOST else _merged(sent))

    def possible(self) -> Sequence[Written]:
        """All that may stand here."""
        return self._possible

    def forget_ended(self, now_s: float) -> None:
        """Drop what is over and leaves nothing: the number of lost orders is bounded by this, and by their lives."""
        if all(written.at(now_s) is not None for written in self._possible):
            return
        is_over = self.standing is not None and self.standing.at(now_s) is None
        sent = [each for each in self._sent if each.is_open or each.written.at(now_s) is not None]
        self._hold(None if is_over else self.standing, sent)

    def _hold(self, standing: Written | None, sent: list[Sent]) -> None:
        self.standing, self._sent = standing, sent
        self._possible = (*(() if standing is None else (standing,)), *(each.written for each in sent))
        self.in_flight = next((each.written for each in reversed(sent) if each.is_open), None)
        """The last of those that wait for an answer."""


def _merged(sent: list[Sent]) -> list[Sent]:
    merged: dict[RateUnit, Sent] = {}
    for each in sent:
        before = merged.get(each.written.unit)
        merged[each.written.unit] = each if before is None else _either(before, each)
    return list(merged.values())


def _either(one: Sent, other: Sent) -> Sent:
    lasts = [last for last in (one.written.last, other.written.last) if last is not None]
    ends_s = max(one.written.ends_s, other.written.ends_s)
    limit = max(one.written.limit, other.written.limit)
    then_limit = max(lasts) if lasts else None
    written = replace(other.written, limit=limit, ends_s=ends_s, then_limit=then_limit)
    return Sent(max(one.sequence, other.sequence), written, one.is_open or other.is_open)
