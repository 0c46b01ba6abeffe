"""The way of one car: to the holder of its key, or from substation to substation, the best first.

A car that may wait goes the way twice. First it is asked of all that may have room, only to charge at once. Then, if
surely none has taken it, of those where it would start first (`forecasts`), to let it wait. An attempt whose outcome
is not known ends the second way: the car may wait there already, or charge, and its client finds out by repeating the
key. To go on would put one car into two lists.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from smartgrid.balancer.live_fleet import LiveFleet, Substation
from smartgrid.balancer.placement import attempt
from smartgrid.balancer.placement.attempt import (
    Admitted,
    Asked,
    Car,
    Faulty,
    HolderAway,
    NotSent,
    Outcome,
    Refused,
    Superseded,
    Unknown,
    Waiting,
)
from smartgrid.balancer.placement.directory import Directory
from smartgrid.balancer.placement.errors import (
    FaultyRequestError,
    HolderAwayError,
    NoPlaceError,
    NoRegionError,
    NoTimeError,
    NotKnownError,
    OverQuotaError,
    PlacementError,
    SupersededAboveError,
)
from smartgrid.balancer.placement.fleet_use import FleetUse
from smartgrid.balancer.placement.forecasts import Forecasts, in_order
from smartgrid.balancer.placement.keys_under_way import KeysUnderWay
from smartgrid.domain.regions import RegionError, Regions, Tiers
from smartgrid.protocol import numbers
from smartgrid.protocol.headers import STATUS
from smartgrid.protocol.keys import KeyEntry, OwnUse
from smartgrid.protocol.session_id import is_above, split

MIN_ATTEMPT_S = 0.05
SILENT_TIMEOUT_S = 0.2
"""For a holder that has not answered lately: time to notice that it is back."""
MAX_FOLLOWED = 8
"""Sessions superseded by sessions that are superseded: each has a greater number, so this many are never met."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The session that the car has, at which member, and in how many attempts; `replayed` where it had it before.

    Of one that waits, `look_again_s` is when its client is to look again.
    """

    session: dict[str, Any]
    member: str
    attempts: int
    replayed: bool
    look_again_s: int | None = None


@dataclass(slots=True)
class _Way:
    """How far one car has come."""

    car: Car
    end_s: float
    attempts: int = 0
    asked: list[str] = field(default_factory=list)
    not_known: bool = False
    over_quota: bool = False
    tiers: Tiers | None = None  # of regions
    claim: OwnUse | None = None  # on its owner's quota in the fleet
    not_there: set[str] = field(default_factory=set)  # sessions of which their member knows nothing
    named: str | None = None  # the session that a superseded one has named
    followed: set[str] = field(default_factory=set)
    lists: list[str] = field(default_factory=list)  # who is to be asked next to let it wait
    foretold: list[str] = field(default_factory=list)  # who has been asked for a forecast

    def not_placed(self, reason: PlacementError) -> PlacementError:
        """The reason, where it is certain that no attempt has placed the car."""
        return NotKnownError(self.attempts) if self.not_known else reason


class Placement:
    """Places cars, each key once at a time.

    A try that is made of several attempts goes on numbering them (`_Way.attempts` is the hop), also over the holders
    that it is sent to, so the attempt that is answered last has the greatest number of all that may have arrived.
    """

    def __init__(
        self,
        fleet: LiveFleet,
        directory: Directory,
        use: FleetUse | None = None,
        *,
        balancer_id: int,
        regions: Regions | None = None,
        attempt_timeout_s: float,
        request_timeout_s: float,
        let_down: Callable[[str], None] = lambda _member: None,
        forecasts: Forecasts | None = None,
        keys: KeysUnderWay | None = None,
    ) -> None:
        """`let_down` is called with the name of a member that did not answer a car, to ask it at once if it lives;
        `keys` are shared with whoever else places cars."""
        self._fleet, self._directory, self._balancer_id = fleet, directory, balancer_id
        self._attempt_timeout_s, self._request_timeout_s = attempt_timeout_s, request_timeout_s
        self._let_down, self._use = let_down, use or FleetUse()
        self._keys, self._forecasts = keys or KeysUnderWay(), forecasts or Forecasts(fleet)
        self._regions = regions or Regions()

    def place(self, car: Car, end_s: float = math.inf) -> Placed:
        """Find the car's place, or a new one, by `end_s` at the latest. Raises PlacementError or KeyBusyError."""
        now_s = time.monotonic()
        end_s = min(end_s, now_s + self._request_timeout_s)
        with self._keys.holding(car.digest, max(0.0, end_s - now_s)):
            way = _Way(car, end_s)
            try:
                return self._find(way)
            finally:
                if way.claim is not None:
                    self._use.release(car.digest, way.claim.owner)

    def _find(self, way: _Way) -> Placed:
        while True:
            if way.end_s - time.monotonic() <= MIN_ATTEMPT_S:
                raise way.not_placed(NoTimeError(way.attempts))
            session_id = way.named or self._holder(way)
            if session_id is None:
                way.tiers = self._tiers(way)
                self._claim(way)
                if (asked := self._ask_best(way) or self._ask_to_wait(way)) is None:
                    raise _nowhere(way)
                name, outcome = asked
            else:
                name, outcome = self._ask_holder(way, session_id)
            way.named = None
            match outcome:
                case Admitted(session, replayed):
                    self._note(way, name, session, replayed=replayed)
                    return Placed(session, name, way.attempts, replayed)
                case Waiting(session, replayed, look_again_s):
                    self._note(way, name, session, replayed=replayed)
                    return Placed(session, name, way.attempts, replayed, look_again_s)
                case Superseded(by):
                    self._follow(way, session_id, by)
                case Faulty(answer):
                    raise way.not_placed(FaultyRequestError(answer))
                case HolderAway():
                    raise HolderAwayError(name)

    def _claim(self, way: _Way) -> None:
        """A car that is to have a new session must be within its owner's quota. Raises OverQuotaError."""
        wanted = _use_of(way.car)
        if wanted is None or way.claim is not None:
            return
        if not self._use.claim(way.car.digest, wanted, self._fleet.is_in_rotation):
            way.over_quota = True
            raise _nowhere(way)
        way.claim = wanted

    def _tiers(self, way: _Way) -> Tiers | None:
        """Which regions the car may go to. Raises NoRegionError where it is none."""
        try:
            return self._regions.tiers(way.car.wish)
        except RegionError as error:
            raise way.not_placed(NoRegionError(error)) from None

    def _holder(self, way: _Way) -> str | None:
        holder = self._directory.holder(way.car.digest, way.not_there)
        return holder.session_id if holder else None

    def _ask_holder(self, way: _Way, session_id: str) -> tuple[str, Outcome]:
        """Ask for the session where it is. Raises HolderAwayError for one that is away, or does not answer."""
        name, _ = split(session_id)
        substation = self._fleet.substation(name)
        if substation is None:
            if way.named is None and not self._fleet.is_away(name):  # it has been away for so long that it is forgotten
                self._directory.drop(session_id)
                return name, NotSent()
            raise HolderAwayError(name)
        timeout_s = self._timeout_s(way) if self._fleet.is_in_rotation(name) else SILENT_TIMEOUT_S
        asked = self._ask(way, substation, timeout_s)
        if asked.answer is None:
            self._fleet.unanswered(substation)
            self._let_down(name)
            raise HolderAwayError(name)
        self._fleet.saw(substation, asked.answer.headers.get(STATUS))
        match asked.outcome:
            case Unknown() | Refused(attempt.NO_STORAGE | attempt.LATE):
                raise HolderAwayError(name)
            case Refused():  # it knows nothing of the session just now; whether that stays so, its log tells
                way.not_there.add(session_id)
                way.asked.append(name)
            case Admitted(session, _) | Waiting(session, _) if session["session_id"] != session_id:
                self._directory.not_there(session_id)
        return name, asked.outcome

    def _ask_best(self, way: _Way) -> tuple[str, Outcome] | None:
        """Ask the best member that has not been asked; None where there is none."""
        choice = self._fleet.choose(way.car.power, way.asked, way.tiers)
        if choice is None:
            return None
        name = choice.substation.name
        way.asked.append(name)
        begun_s = time.monotonic()
        try:
            asked = self._ask(way, choice.substation, self._timeout_s(way))
        except BaseException:  # whatever it was, the reservation must not stay
            self._fleet.give_up(choice)
            raise
        if asked.answer is None:
            self._fleet.give_up(choice, failed=attempt.has_failed(asked))
            self._let_down(name)
        else:
            took_s = time.monotonic() - begun_s
            self._fleet.settle(
                choice, asked.answer.headers.get(STATUS), failed=attempt.has_failed(asked), took_s=took_s
            )
        way.not_known |= isinstance(asked.outcome, Unknown)
        return name, asked.outcome

    def _ask_to_wait(self, way: _Way) -> tuple[str, Outcome] | None:
        """Ask the member where it would start first to let the car wait; None where there is none, or it may not."""
        if not way.car.may_wait or way.not_known or (substation := self._next_list(way)) is None:
            return None
        asked = self._ask(way, substation, self._timeout_s(way), lets_wait=True)
        if asked.answer is None:
            self._fleet.unanswered(substation)
            self._let_down(substation.name)
        else:
            self._fleet.saw(substation, asked.answer.headers.get(STATUS))
        way.not_known |= isinstance(asked.outcome, Unknown)
        return substation.name, asked.outcome

    def _next_list(self, way: _Way) -> Substation | None:
        """A few members are asked for forecasts, and only when all of these have said no the next few.

        None where no one is left. Raises NoTimeError.
        """
        while way.end_s - time.monotonic() > MIN_ATTEMPT_S:
            while way.lists:
                if (substation := self._fleet.substation(way.lists.pop(0))) is not None:
                    return substation
            forecasts = self._forecasts.of(
                way.car.body,
                way.car.power,
                way.car.headers,
                way.end_s - MIN_ATTEMPT_S,
                way.foretold + self._closed_to(way),
            )
            if not forecasts:
                return None
            way.foretold += forecasts
            way.lists = in_order(forecasts)
        raise NoTimeError(way.attempts)

    def _closed_to(self, way: _Way) -> list[str]:
        """The members where the car may not be. Of regions that it may go to, it waits where it starts first."""
        if way.tiers is None:
            return []
        allowed = frozenset[str]().union(*way.tiers)
        return [each.name for each in self._fleet.substations() if each.name not in allowed]

    def _ask(self, way: _Way, substation: Substation, timeout_s: float, *, lets_wait: bool = False) -> Asked:
        """One attempt, and one more with the next number where the connection broke: mostly the server had closed it.

        After that only a session or a supersession is certain: the first attempt may have been done, or be done yet.
        """
        end_s = time.monotonic() + timeout_s
        first = self._attempt(way, substation, timeout_s, lets_wait=lets_wait)
        if first != Asked(Unknown()) or time.monotonic() >= end_s:
            return first
        second = self._attempt(way, substation, end_s - time.monotonic(), lets_wait=lets_wait)
        way.not_known |= not isinstance(second.outcome, Admitted | Waiting | Superseded)
        return first if second == Asked(NotSent()) else second

    def _attempt(self, way: _Way, substation: Substation, timeout_s: float, *, lets_wait: bool) -> Asked:
        number = numbers.attempt(way.car.number, way.attempts, self._balancer_id)
        way.attempts += 1
        asked = attempt.ask(substation.name, substation.client, way.car, number, timeout_s, lets_wait=lets_wait)
        way.over_quota |= asked.outcome == Refused(attempt.OVER_QUOTA)
        return asked

    def _timeout_s(self, way: _Way) -> float:
        """Half of what is left at the most, so that two silent ones do not use up the time of a third that answers."""
        return max(MIN_ATTEMPT_S, min(self._attempt_timeout_s, (way.end_s - time.monotonic()) / 2))

    def _note(self, way: _Way, name: str, session: dict[str, Any], *, replayed: bool) -> None:
        if way.car.moved and replayed:  # a move raises no number of a session that is there
            return
        number = numbers.attempt(way.car.number, way.attempts - 1, self._balancer_id)
        _, inner = split(session["session_id"])
        use = _use_of(way.car) if session["ended_at"] is None else None
        self._directory.note(name, KeyEntry(way.car.digest, number, inner, use=use))

    def _follow(self, way: _Way, superseded: str | None, by: str) -> None:
        """Go on to the session that counts. Raises SupersededAboveError where it is none of this balancer's."""
        if superseded is not None:
            self._directory.note_superseded(superseded)
        if is_above(by):
            raise SupersededAboveError(by)
        if by in way.followed or len(way.followed) >= MAX_FOLLOWED:
            raise HolderAwayError(split(by)[0])
        way.followed.add(by)
        way.named = by


def _use_of(car: Car) -> OwnUse | None:
    """What its session takes of its owner's quota."""
    return None if car.owner is None else OwnUse(car.owner, car.power.max_kw)


def _nowhere(way: _Way) -> PlacementError:
    """Why the car has no place, as no one is left to be asked."""
    return way.not_placed(OverQuotaError(way.attempts) if way.over_quota else NoPlaceError(way.attempts))
