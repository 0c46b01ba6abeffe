"""What a balancer believes of its substations, and what it has reserved on them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from random import Random

from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.candidate import TIES, Candidate
from smartgrid.domain.routing.doubt import Doubts
from smartgrid.domain.routing.policy import Policy
from smartgrid.domain.routing.totals import MILLIWATTS, Totals
from smartgrid.domain.status import Status


@dataclass(slots=True, eq=False)
class Reservation:
    """Power held for one car on one substation until the substation has answered."""

    name: str
    power: PowerRange
    joined: int  # which of the substations that ever had this name


@dataclass(frozen=True, slots=True)
class View:
    """What is known of one substation: its last status, and what is reserved on top of it."""

    name: str
    status: Status | None
    reserved_min_kw: float
    reserved_max_kw: float
    updated_at_s: float | None
    in_rotation: bool


class Fleet:
    """The substations of one balancer, as far as it knows, and which of them each car should ask next.

    It has no lock and no clock: the caller holds a lock around every call and passes the time, on a clock that does
    not jump. `next_release_s` of every status is on that clock too.

    A car asks in this order: the substation that the policy likes best of those with room as far as is known; then
    those that the view shows as full but may be wrong about (a release was expected since, the status is older than
    `trust_view_s`, or the room is held for cars that have not been admitted yet). So a car is refused only when every
    substation that could have room has just said no. A substation's no carries its status, so until its next
    expected release no other car asks it again.
    """

    def __init__(self, policy: Policy, rng: Random, trust_view_s: float = 5.0, epoch: int = 0) -> None:
        """`epoch` names this fleet in its totals: their revisions begin at 0 with every new one."""
        self._policy = policy
        self._rng = rng
        self._epoch = epoch
        self._revision = 0
        self._trust_view_s = trust_view_s
        self._candidates: dict[str, Candidate] = {}
        self._unsettled: dict[Candidate, None] = {}  # reserved on, but still in the policy's order as before
        self._doubts = Doubts()
        self._totals = Totals()
        self._joined = 0

    def __len__(self) -> int:
        return len(self._candidates)

    def __contains__(self, name: object) -> bool:
        return name in self._candidates

    def join(self, name: str) -> None:
        """Know of a substation. It gets cars after its first status. Joining again changes nothing."""
        if name not in self._candidates:
            self._joined += 1
            self._revision += 1
            self._candidates[name] = Candidate(name, self._joined)

    def leave(self, name: str) -> None:
        """Forget a substation; its open reservations end with it. Unknown names are ignored."""
        candidate = self._candidates.pop(name, None)
        if candidate is not None:
            self._revision += 1
            self._take_out(candidate)
            candidate.in_rotation = candidate.routable = False
            candidate.due_s = math.inf

    def update(self, name: str, status: Status, now_s: float) -> bool:
        """Take over a status, and tell whether it was.

        It is not if it is older than what is known, if its numbers are impossible, or if the substation has left.
        """
        candidate = self._candidates.get(name)
        if candidate is None or not _counts(status, candidate):
            return False
        self._revision += status.says_more_than(candidate.status)
        self._take_out(candidate)
        self._see(candidate, status, now_s)
        self._put_in(candidate)
        return True

    def set_in_rotation(self, name: str, in_rotation: bool) -> None:
        """Whether it may get cars; its view is kept. Unknown names are ignored."""
        candidate = self._candidates.get(name)
        if candidate is not None and candidate.in_rotation != in_rotation:
            self._revision += 1
            self._take_out(candidate)
            candidate.in_rotation = in_rotation
            self._put_in(candidate)

    def reserve(self, power: PowerRange, now_s: float, exclude: Collection[str] = ()) -> Reservation | None:
        """Choose a substation and hold the power there, or None if no one is left to ask.

        `exclude` names the substations that this car has asked already.
        """
        if exclude and not self._policy.corrects_view:
            return None
        if self._unsettled:
            self._settle()
        excluded = frozenset(exclude) if exclude else exclude
        candidate = self._policy.choose(power, excluded)
        if candidate is None and self._policy.corrects_view:
            candidate = self._doubts.most_promising(power, now_s, excluded)
        if candidate is None:
            return None
        self._revision += 1
        candidate.reserve(power.min_kw, power.max_kw)
        self._unsettled[candidate] = None
        return Reservation(candidate.name, power, candidate.order)

    def confirm(self, reservation: Reservation, status: Status | None, now_s: float) -> None:
        """The substation answered, yes or no: its status, newer than the reservation, takes the reservation's place.

        Every reservation must end in exactly one call of `confirm` or `release`.
        """
        candidate = self._candidates.get(reservation.name)
        if candidate is None or candidate.order != reservation.joined:
            return
        self._revision += 1
        self._take_out(candidate)
        candidate.release(reservation.power.min_kw, reservation.power.max_kw)
        if (
            status is not None
            and self._policy.corrects_view
            and status.is_possible
            and status.replaces(candidate.status)
        ):
            self._see(candidate, status, now_s)
        self._put_in(candidate)

    def release(self, reservation: Reservation) -> None:
        """The attempt ended without an answer (or with one that has no status): hold nothing for it any more."""
        self.confirm(reservation, None, 0.0)

    def totals(self) -> Status:
        """The substations that are in rotation, as one status: sums with the reservations counted.

        `largest_free_kw` is that of the roomiest one that takes cars.
        """
        self._settle()
        sums, next_release_s = self._totals.settle()
        return Status(
            capacity_kw=sums.capacity_mw / MILLIWATTS,
            load_kw=sums.load_mw / MILLIWATTS,
            committed_kw=sums.committed_mw / MILLIWATTS,
            demand_kw=sums.demand_mw / MILLIWATTS,
            active_sessions=sums.active_sessions,
            revision=self._revision,
            next_release_s=next_release_s,
            largest_free_kw=self._policy.largest_free_kw(),
            epoch=self._epoch,
        )

    def view(self, name: str) -> View:
        """What is known of one substation. Raises KeyError for an unknown name."""
        return _view(self._candidates[name])

    def views(self) -> Iterator[View]:
        """What is known of each, in the order in which they joined."""
        return map(_view, self._candidates.values())

    def _see(self, candidate: Candidate, status: Status, now_s: float) -> None:
        candidate.status = status
        candidate.updated_at_s = now_s
        candidate.due_s = now_s + self._trust_view_s
        if status.next_release_s is not None:
            candidate.due_s = min(candidate.due_s, status.next_release_s)
        self._doubts.watch(candidate)

    def _settle(self) -> None:
        """Move those reserved on to their new places. Mostly there are none: the answer has moved them already."""
        while self._unsettled:
            candidate = next(iter(self._unsettled))
            self._take_out(candidate)
            self._put_in(candidate)

    def _take_out(self, candidate: Candidate) -> None:
        self._unsettled.pop(candidate, None)
        self._totals.note(candidate)
        if candidate.routable:
            self._policy.discard(candidate)
            if candidate.doubtful or candidate.reservations:
                self._doubts.discard(candidate)

    def _put_in(self, candidate: Candidate) -> None:
        candidate.refresh(self._rng.getrandbits(TIES))
        if candidate.routable:
            self._policy.add(candidate)
            if candidate.doubtful or candidate.reservations:
                self._doubts.add(candidate)


def _counts(status: Status, candidate: Candidate) -> bool:
    return status.is_possible and status.replaces(candidate.status)


def _view(candidate: Candidate) -> View:
    return View(
        candidate.name,
        candidate.status,
        candidate.reserved_min_kw,
        candidate.reserved_max_kw,
        candidate.updated_at_s,
        candidate.in_rotation,
    )
