"""The most that one charger may still draw: what a substation books for a session that a charger carries.

A share is a wish until the charger has confirmed it or the profile that it had before has run out. So what is booked
is not the last offer but the greatest that may still be in force (docs/chargers-protocol.md):

- Each change of the offer gets the next **number**, and all offers are remembered from the **base** on: the number
  that the session's holder (an edge) has last reported as adopted. An edge goes to greater numbers only, so none below
  the base comes back.
- What the holder reports as **held** is what the charger was told and has not yet taken back.
- Both count until the **lease** is over: edges let chargers draw by no answer that is older. Then all offers of before
  are void, and a charger draws its **fallback**, what it may draw without any word.
- A charger that does not do what it is told is booked at its rating.

A message may come late or twice, or from an edge whose connection to the charger is dead. Only one that is surely not
overtaken lowers what is booked, any other can only raise it. Of the offers that are remembered only those matter that
are greater than all later ones, so they are few; of too many the oldest is counted into the next.
"""

from __future__ import annotations

from dataclasses import dataclass

MOST_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Report:
    """What an edge says of a session (`edge.ports.SessionReport`); `held_kw` is None where it does not know."""

    number: int
    held_kw: float | None
    fallback_kw: float
    rating_kw: float
    is_controlled: bool = True


@dataclass(frozen=True, slots=True)
class Sender:
    """Who says it: an edge, in its nth batch of reports. `is_fresh` is of one that has talked to this very process of
    the substation."""

    edge: str
    sequence: int = 0
    is_fresh: bool = True


class HeldPower:
    """Of one session. Times are seconds of wall time; numbers grow."""

    __slots__ = (
        "_offers",
        "base",
        "fallback_kw",
        "has_lease",
        "held_kw",
        "holder",
        "is_controlled",
        "lease_end_s",
        "number",
        "offer_kw",
        "rating_kw",
        "sequence",
        "since",
    )

    def __init__(
        self,
        holder: str,
        rating_kw: float,
        fallback_kw: float,
        held_kw: float,
        lease_end_s: float,
        *,
        is_controlled: bool = True,
        number: int = 1,
        offer_kw: float = 0.0,
    ) -> None:
        """Offered `offer_kw` from now on, by this number; `held_kw` may be drawn whatever else is said."""
        self.holder, self.rating_kw, self.fallback_kw, self.held_kw = holder, rating_kw, fallback_kw, held_kw
        self.is_controlled = is_controlled
        self.has_lease, self.lease_end_s = True, lease_end_s
        self.number = self.base = self.since = number
        self.offer_kw = offer_kw
        self.sequence = 0  # of the last batch of the holder's that counted
        self._offers = [(number, offer_kw)]  # by number, each greater than all after it; the last is the present one

    @property
    def booked_kw(self) -> float:
        """The most that it may draw as things stand: never less than its offer."""
        if not self.is_controlled:
            return max(self.rating_kw, self.held_kw)
        if not self.has_lease:
            return self.fallback_kw
        return max(self.fallback_kw, self.held_kw, self._offers[0][1])

    @property
    def least_kw(self) -> float:
        """What it draws at the least, whatever it is offered, once all that it was told before is done with."""
        return self.fallback_kw if self.is_controlled else max(self.rating_kw, self.held_kw)

    @property
    def confirmed_kw(self) -> float | None:
        """The limit that the charger goes by, where that is known."""
        return min(self.offer_kw, self.held_kw) if self.has_lease and self.base == self.number else None

    def offer(self, power_kw: float) -> bool:
        """Offer so much from now on; whether that is a change."""
        if power_kw == self.offer_kw:
            return False
        self.offer_kw = power_kw
        self._renumber()
        return True

    def claim(self, edge: str, number: int) -> bool:
        """Let the edge be the holder, if it knows the present number: whoever has claimed before has raised it."""
        if number != self.number or edge == self.holder:
            return False
        self.hand_over(edge)
        return True

    def hand_over(self, edge: str) -> None:
        """The edge is the holder from now on. What is booked stays so until it reports."""
        self.holder, self.sequence = edge, 0
        self._renumber()
        self.since = self.number

    def renew(self, lease_end_s: float) -> None:
        """The offer is told, and may be gone by until then."""
        self.has_lease, self.lease_end_s = True, max(self.lease_end_s, lease_end_s)

    def expire(self, now_s: float) -> bool:
        """End the lease, if it is over, and with it all that was offered; whether it has ended now."""
        if not self.has_lease or now_s < self.lease_end_s:
            return False
        self.has_lease, self.held_kw, self.offer_kw = False, 0.0, 0.0
        self._offers.clear()
        self._renumber()
        self.base = self.number
        return True

    def report(self, report: Report, sender: Sender, lease_end_s: float) -> None:
        """Book what an edge says.

        Of a session without a lease, what is held is a fact all the same: it counts until `lease_end_s`.
        """
        is_last = sender.is_fresh and sender.edge == self.holder and sender.sequence >= self.sequence
        knows = max(self.base, self.since) <= report.number <= self.number
        if is_last:
            self.sequence = sender.sequence
        if is_last and knows and report.held_kw is not None:
            self._adopt(report, report.held_kw)
        else:
            self._raise(report)
        if not self.has_lease and self.held_kw > self.fallback_kw:
            self.renew(lease_end_s)

    def _adopt(self, report: Report, held_kw: float) -> None:
        self.base, self.held_kw, self.fallback_kw = report.number, held_kw, report.fallback_kw
        self.rating_kw, self.is_controlled = report.rating_kw, report.is_controlled
        self._offers = [offer for offer in self._offers if offer[0] >= self.base]

    def _raise(self, report: Report) -> None:
        """What is more than was known is a fact. It takes a new number, so that nothing said before undoes it."""
        before = self.held_kw, self.fallback_kw, self.rating_kw, self.is_controlled
        self.held_kw = max(self.held_kw, report.held_kw or 0.0)
        self.fallback_kw = max(self.fallback_kw, report.fallback_kw)
        self.rating_kw = max(self.rating_kw, report.rating_kw)
        self.is_controlled = self.is_controlled and report.is_controlled
        if before != (self.held_kw, self.fallback_kw, self.rating_kw, self.is_controlled):
            self._renumber()
            self.since = self.number

    def _renumber(self) -> None:
        self.number += 1
        while self._offers and self._offers[-1][1] <= self.offer_kw:
            self._offers.pop()
        self._offers.append((self.number, self.offer_kw))
        if len(self._offers) > MOST_REMEMBERED:
            (_, greatest_kw), (number, _) = self._offers[:2]
            self._offers[:2] = [(number, greatest_kw)]
