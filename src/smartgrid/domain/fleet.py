"""What a balancer believes of its members, what it has reserved on them, and whom each car should ask next.

Three things are kept of each member: a `Belief` (its last status, and the reservations made since), the `Candidate`
that follows from it, and what it adds to the sums of the fleet (`Totals`). A belief may change at any time; the other
two follow by one method, `_refresh`: it makes the new candidate, which is where an impossible status would show, and
only then gives it to the `FleetIndex` in place of the former one. So a member is never left out of the index, nor in it
at a place that is not its own.

A status counts if its numbers are possible and nothing newer of the same epoch is known (`Status.replaces`). The answer
to a car carries a status that has the car in it, if it was admitted; that is why `confirm` takes the reservation back
and the status over in one step. If the answer never comes, the reservation is taken back and the next poll tells.

A reservation is not sorted in at once: its answer, a few milliseconds later, mostly changes the member again, and
another car seldom comes in between. If one does, those reserved on are sorted in first (`_settle`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from random import Random

from smartgrid.domain import microwatts
from smartgrid.domain.backlogs import Backlogs
from smartgrid.domain.belief import Belief
from smartgrid.domain.doubts import Doubts, most_promising
from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.candidate import TIES, Candidate
from smartgrid.domain.routing.index import FleetIndex
from smartgrid.domain.routing.policy import Policy
from smartgrid.domain.standing import IN_ROTATION, Standing
from smartgrid.domain.status import Status
from smartgrid.domain.totals import Totals


@dataclass(slots=True, eq=False)
class Reservation:
    """Power held for one car on one member until that has answered."""

    name: str
    power: PowerRange
    joined: int  # which of the members that ever had this name


@dataclass(frozen=True, slots=True)
class View:
    """What is known of one member: its last status, and what is reserved on top of it."""

    name: str
    status: Status | None
    reserved_min_kw: float
    reserved_max_kw: float
    updated_at_s: float | None
    in_rotation: bool


class Fleet:
    """The members of one balancer, as far as it knows, and which of them each car should ask next.

    It has no lock and no clock: the caller holds a lock around every call and passes the time, on a clock that does not
    jump. `next_release_s` of every status is on that clock too.

    A car asks in this order: the member that the policy likes best of those with room as far as is known; then those
    that the view shows as full but may be wrong about (a release was expected since, the status is older than
    `trust_view_s`, or the room is held for cars that have not been admitted yet). Members of a lower `Standing` come
    after those of a higher one, with room as with doubts. So a car is refused only when every member that could have
    room has just said no. A no carries the member's status, so until its next expected release no other car asks it
    again.
    """

    def __init__(self, policy: Policy, rng: Random, trust_view_s: float = 5.0, epoch: int = 0) -> None:
        """`epoch` names this fleet in its totals: their revisions begin at 0 with every new one."""
        self._policy = policy
        self._rng = rng
        self._trust_view_s = trust_view_s
        self.epoch = epoch
        self._revision = 0
        self._beliefs: dict[str, Belief] = {}
        self._indexes = tuple(FleetIndex() for _ in Standing)
        self._index = self._indexes[Standing.FIRST]
        self._with_connector = FleetIndex()  # of the first standing too
        self._in_rotation = (self._with_connector, *(self._indexes[each] for each in IN_ROTATION))
        self._unsettled: dict[Belief, None] = {}  # reserved on since they were sorted in
        self._doubts = Doubts()
        self._totals = Totals()
        self._backlogs = Backlogs()
        self._joined = 0

    def __len__(self) -> int:
        return len(self._beliefs)

    def __contains__(self, name: object) -> bool:
        return name in self._beliefs

    def join(self, name: str) -> None:
        """Know of a member. It gets cars after its first status. Joining again changes nothing."""
        if name not in self._beliefs:
            self._joined += 1
            self._revision += 1
            self._beliefs[name] = Belief(name, self._joined)

    def leave(self, name: str) -> None:
        """Forget a member; its open reservations end with it. Unknown names are ignored."""
        belief = self._beliefs.pop(name, None)
        if belief is not None:
            self._revision += 1
            belief.standing = Standing.NONE
            belief.due_s = math.inf
            self._refresh(belief)

    def update(self, name: str, status: Status, now_s: float) -> bool:
        """Take over a status, and tell whether it was.

        It is not if it is older than what is known, if its numbers are impossible, or if the member has left.
        """
        belief = self._beliefs.get(name)
        if belief is None or not _counts(status, belief):
            return False
        self._revision += status.says_more_than(belief.status)
        self._see(belief, status, now_s)
        self._refresh(belief)
        return True

    def set_standing(self, name: str, standing: Standing) -> None:
        """When it is asked; its view is kept. Unknown names are ignored."""
        belief = self._beliefs.get(name)
        if belief is not None and belief.standing is not standing:
            was_in_rotation, belief.standing = belief.in_rotation, standing
            self._revision += belief.in_rotation != was_in_rotation
            self._refresh(belief)

    def reserve(
        self, power: PowerRange, now_s: float, exclude: Collection[str] = (), down_to: Standing = Standing.LAST
    ) -> Reservation | None:
        """Choose a member and hold the power there, or None if no one is left to ask of those that stand so well.

        `exclude` names the members that this car has asked already.
        """
        if exclude and not self._policy.corrects_view:
            return None
        self._settle()
        excluded = frozenset(exclude) if exclude else exclude
        candidate = self._policy.choose(self._with_connector, power, excluded) if len(self._with_connector) else None
        if candidate is None:
            candidate = self._policy.choose(self._index, power, excluded)
        if candidate is None and self._policy.corrects_view:
            candidate = self._further(power, now_s, excluded, down_to)
        return None if candidate is None else self._hold(candidate, power)

    def reserve_free(self, power: PowerRange, exclude: Collection[str] = ()) -> Reservation | None:
        """Hold the power on a member in rotation that has room for it as far as is known, so at which no car waits.

        None where there is none: for a car that has its place in a list nobody is asked in vain.
        """
        self._settle()
        excluded = frozenset(exclude)
        for index in self._in_rotation:
            if (candidate := index.lowest(power, excluded)) is not None:
                return self._hold(candidate, power)
        return None

    def confirm(self, reservation: Reservation, status: Status | None, now_s: float) -> None:
        """The member answered, yes or no: its status, newer than the reservation, takes the reservation's place.

        Every reservation must end in exactly one call of `confirm` or `release`.
        """
        belief = self._beliefs.get(reservation.name)
        if belief is None or belief.order != reservation.joined:
            return
        self._revision += 1
        belief.release(reservation.power)
        if status is not None and self._policy.corrects_view and _counts(status, belief):
            self._see(belief, status, now_s)
        self._refresh(belief)

    def release(self, reservation: Reservation) -> None:
        """The attempt ended without an answer (or with one that has no status): hold nothing for it any more."""
        self.confirm(reservation, None, 0.0)

    def totals(self) -> Status:
        """The members that are in rotation, as one status: sums with the reservations counted.

        `largest_free_kw` is that of the roomiest one that takes cars.
        """
        self._settle()
        sums, next_release_s = self._totals.as_of_now()
        return Status(
            capacity_kw=microwatts.to_kw(sums.capacity_uw),
            load_kw=microwatts.to_kw(sums.load_uw),
            committed_kw=microwatts.to_kw(sums.committed_uw),
            demand_kw=microwatts.to_kw(sums.demand_uw),
            active_sessions=sums.active_sessions,
            revision=self._revision,
            next_release_s=next_release_s,
            largest_free_kw=self._largest_room_kw(),
            epoch=self.epoch,
            waiting_sessions=sums.waiting_sessions,
            waiting_kw=microwatts.to_kw(sums.waiting_uw),
            waiting_kwh=microwatts.to_kw(sums.waiting_uwh),
            connectors=sums.connectors if sums.with_connectors else None,
            free_connectors=sums.free_connectors if sums.with_connectors else None,
            reserved_kw=microwatts.to_kw(sums.reserved_uw),
            booked_kw=microwatts.to_kw(sums.booked_uw) if sums.with_chargers else None,
            metered_kw=microwatts.to_kw(sums.metered_uw) if sums.with_chargers else None,
            overbooked_kw=microwatts.to_kw(sums.overbooked_uw),
        )

    def largest_room_kw(self) -> float:
        """The greatest minimum that any member in rotation could admit, as far as is known."""
        self._settle()
        return self._largest_room_kw()

    def shortest_backlogs(self, power: PowerRange, number: int, exclude: Collection[str] = ()) -> list[str]:
        """Up to so many members at which a car would wait least, by a guess (`domain.backlogs`), the best first."""
        return self._backlogs.shortest(power, number, exclude)

    def lists(self) -> list[View]:
        """The members in rotation at which cars wait."""
        return [_view(belief) for belief in self._backlogs.lists()]

    def view(self, name: str) -> View:
        """What is known of one member. Raises KeyError for an unknown name."""
        return _view(self._beliefs[name])

    def views(self) -> Iterator[View]:
        """What is known of each, in the order in which they joined."""
        return map(_view, self._beliefs.values())

    def _further(
        self, power: PowerRange, now_s: float, excluded: Collection[str], down_to: Standing
    ) -> Candidate | None:
        """Whom to ask where none that the policy chooses from has room, as far as is known: by their standing those
        that have it, then those that may have it."""
        for index in self._indexes[1 : down_to + 1]:
            if (candidate := index.lowest(power, excluded)) is not None:
                return candidate
        for doubtful in self._doubts.come_due(now_s):
            self._refresh(doubtful)
        for index in (self._with_connector, *self._indexes[: down_to + 1]):
            if (candidate := most_promising(index, power, excluded)) is not None:
                return candidate
        return None

    def _hold(self, candidate: Candidate, power: PowerRange) -> Reservation:
        self._revision += 1
        belief = self._beliefs[candidate.name]
        belief.reserve(power)
        self._unsettled[belief] = None
        return Reservation(belief.name, power, belief.order)

    def _largest_room_kw(self) -> float:
        return max(index.largest_room_kw() for index in self._in_rotation)

    def _see(self, belief: Belief, status: Status, now_s: float) -> None:
        belief.status = status
        belief.updated_at_s = now_s
        belief.due_s = now_s + self._trust_view_s
        if status.next_release_s is not None and status.next_release_s < belief.due_s:
            belief.due_s = status.next_release_s
        self._doubts.watch(belief)

    def _settle(self) -> None:
        """Sort in those reserved on. Mostly there are none: the answer has done it already."""
        while self._unsettled:
            self._refresh(next(iter(self._unsettled)))

    def _refresh(self, belief: Belief) -> None:
        """Let the index and the sums follow what is believed now. Whatever may fail comes before anything is
        changed."""
        candidate = belief.candidate(self._rng.getrandbits(TIES))
        index = self._indexes[belief.standing]
        if belief.has_connector and index is self._index:
            index = self._with_connector
        if belief.indexed is not index and belief.indexed is not None:
            belief.indexed.drop(belief.order)
        belief.indexed = index
        if candidate is None:
            index.drop(belief.order)
        else:
            index.put(candidate)
        self._unsettled.pop(belief, None)
        self._totals.note(belief)
        self._backlogs.note(belief)


def _counts(status: Status, belief: Belief) -> bool:
    return status.is_possible and status.replaces(belief.status)


def _view(belief: Belief) -> View:
    return View(
        belief.name,
        belief.status,
        belief.reserved_min_kw,
        belief.reserved_max_kw,
        belief.updated_at_s,
        belief.in_rotation,
    )
