"""The fleet as all threads of the balancer share it, with how each member is reached and how it has answered.

Two things must not be confused. A member is *in rotation* while it answers: then it may get cars. A substation is *in
the fleet* while discovery, the settings or a registration name it. One that has left is *away*: it gets no cars and is
asked nothing, but its keys and sessions are answered as unavailable, not as unknown, until it is back under its name or
`away_life_s` have passed.

A member that answers polls and lets cars down is spared them by its circuit breaker (`breaker`). Only when no other
member is left to ask, a car is sent there all the same: better to wait in vain than to be refused where there is room.
One that is merely slow (`slowness`), or will be taken away by an autoscaler once it is empty (`scaling`), is asked when
no other has room. And where more than half of the fleet is out at
once, the fault is probably this balancer's own network (Envoy's panic threshold): then also those that do not answer
are asked before a car is refused, each by one car at a time.

The domain's `Fleet` is the one place that keeps how a member stands; `Health`, `Breaker` and `Slowness` say when that
changes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from smartgrid.balancer.breaker import Breaker
from smartgrid.balancer.discovery import Member
from smartgrid.balancer.health import Health
from smartgrid.balancer.scaling.wanted import Known
from smartgrid.balancer.slowness import Slowness
from smartgrid.domain.fleet import Fleet, Reservation, View
from smartgrid.domain.regions import Tiers
from smartgrid.domain.request import PowerRange
from smartgrid.domain.standing import Standing
from smartgrid.domain.status import Status
from smartgrid.http_client.client import HttpClient
from smartgrid.protocol import status_header

MAX_AWAY = 1000
"""Departed substations that are remembered at the most; the oldest are forgotten first."""
AWAY_LIFE_S = 24 * 3600.0
PANIC_THRESHOLD = 0.5
"""The share of members out of rotation above which those are asked too."""


@dataclass(slots=True, eq=False)
class Substation:
    """A member of the fleet at one address: how it is reached, how it has answered, whether its keys are known.

    One that comes back at another address is another object, so that a late answer from the old one says nothing of it.
    """

    member: Member
    client: HttpClient
    health: Health = field(default_factory=Health)
    breaker: Breaker = field(default_factory=Breaker)
    keys_known: bool = False

    @property
    def name(self) -> str:
        return self.member.name


@dataclass(frozen=True, slots=True)
class Choice:
    """A substation chosen for a car, with the power reserved there."""

    substation: Substation
    reservation: Reservation


@dataclass(frozen=True, slots=True)
class Seen:
    """A member as `GET /substations` shows it."""

    member: Member
    view: View

    @property
    def in_rotation(self) -> bool:
        return self.view.in_rotation


class LiveFleet:
    """Thread-safe: choosing and reserving is one step under one lock. Its clock is the monotonic one."""

    def __init__(
        self,
        fleet: Fleet,
        *,
        client_for: Callable[[str, str], HttpClient] = lambda url, host: HttpClient(
            url, host=host, tells_deadline=True
        ),
        away_life_s: float = AWAY_LIFE_S,
        on_change: Callable[[], None] = lambda: None,
        on_forgotten: Callable[[str], None] = lambda _name: None,
    ) -> None:
        """`client_for` makes the client of a member's URL and host.

        `on_change` is called after each change, and `on_forgotten` with the name of each substation that has been away
        for `away_life_s`; both without a lock held.
        """
        self._fleet, self._client_for, self._away_life_s = fleet, client_for, away_life_s
        self._on_change, self._on_forgotten = on_change, on_forgotten
        self._lock = threading.Lock()
        self._substations: dict[str, Substation] = {}
        self._away_since_s: dict[str, float] = {}  # the oldest first
        self._away_status: dict[str, Status] = {}  # the last of those that are away
        self._leaving = frozenset[str]()  # to be taken away once they are empty
        self._spared: dict[str, Substation] = {}  # whose breaker is not closed
        self._out: set[str] = set()  # of rotation
        self._balancers: dict[str, frozenset[int]] = {}  # beneath the members that are balancers, by their epochs
        self._slowness = Slowness()
        self._all_seen = False

    # ------------------------------------------------------------------ who is in the fleet

    def join(self, member: Member) -> None:
        """Take in a member, or its new address."""
        with self._lock:
            known = self._substations.get(member.name)
            if known is not None and known.member == member:
                return
            joined = Substation(member, self._client_for(member.url, member.host))
            self._substations[member.name] = joined
            self._away_since_s.pop(member.name, None)
            self._away_status.pop(member.name, None)
            self._fleet.join(member.name)
            self._spared.pop(member.name, None)
            self._slowness.forget(member.name)
            self._balancers.pop(member.name, None)
            self._apply_health(joined, time.monotonic())
        if known is not None:
            known.client.close()
        self._on_change()

    def leave(self, name: str) -> None:
        """A member is away from now on. Unknown names are ignored."""
        with self._lock:
            left = self._substations.pop(name, None)
            if left is None:
                return
            self._away_since_s[name] = time.monotonic()
            if (status := self._fleet.view(name).status) is not None:
                self._away_status[name] = status
            self._spared.pop(name, None)
            self._out.discard(name)
            self._slowness.forget(name)
            self._balancers.pop(name, None)
            self._fleet.leave(name)
        left.client.close()
        self._forget_long_away()
        self._on_change()

    def note_away(self, name: str) -> None:
        """A source says that a substation of this name is away, whether it has been in the fleet here or not."""
        with self._lock:
            if name in self._substations:
                return
            self._away_since_s.pop(name, None)
            self._away_since_s[name] = time.monotonic()
        self._forget_long_away()

    def substation(self, name: str) -> Substation | None:
        """The member of this name."""
        return self._substations.get(name)

    def substations(self) -> list[Substation]:
        """All members, by name."""
        with self._lock:
            return [self._substations[name] for name in sorted(self._substations)]

    def is_away(self, name: str) -> bool:
        """Whether a substation of this name was in the fleet lately and is not now."""
        self._forget_long_away()
        return name in self._away_since_s

    def away(self) -> list[str]:
        """Those that have left, by name."""
        self._forget_long_away()
        with self._lock:
            return sorted(self._away_since_s)

    # ------------------------------------------------------------------ cars

    def choose(self, power: PowerRange, asked: Collection[str], tiers: Tiers | None = None) -> Choice | None:
        """The best member that was not asked; with `tiers` of those alone, the first first (`domain.regions`).

        One that is out of rotation is asked only when no other of any tier has room.
        """
        now_s = time.monotonic()
        with self._lock:
            for each in [*self._spared.values(), *map(self._substations.__getitem__, self._slowness.pardoned(now_s))]:
                self._apply_health(each, now_s)
            # A half open breaker is for a car that has not been let down yet: it has the time to be placed elsewhere.
            avoided = {*asked, *self._spared} if asked else asked
            reservation = self._reserve(power, now_s, avoided, tiers)
            if reservation is None and self._out:
                last = Standing.OUT if self._is_panic() else Standing.SPARED
                reservation = self._reserve(power, now_s, asked, tiers, last)
            if reservation is None:
                return None
            chosen = self._substations[reservation.name]
            chosen.breaker.sent(as_probe=chosen.name in self._out)
            self._apply_health(chosen, now_s)
            return Choice(chosen, reservation)

    def settle(self, choice: Choice, header: str | None, *, failed: bool = False, took_s: float | None = None) -> None:
        """The chosen substation has answered, in `took_s`: take its fresh status for the reservation.

        `failed` says that the answer is none that a car can be given.
        """
        now_s = time.monotonic()
        found = status_header.decode(header, now_s)
        with self._lock:
            self._fleet.confirm(choice.reservation, found[1] if found else None, now_s)
            self._hear_away(choice.substation, found[1] if found else None)
            choice.substation.health.answered()
            if took_s is not None and self._is_current(choice.substation):
                self._slowness.note(choice.substation.name, took_s, now_s)
            self._judge(choice.substation, failed, now_s)
        self._on_change()

    def give_up(self, choice: Choice, *, failed: bool = False) -> None:
        """The chosen substation cannot be reached, or leaves the car waiting: it gets no more until it answers.

        `failed` says that the car was sent.
        """
        now_s = time.monotonic()
        with self._lock:
            self._fleet.release(choice.reservation)
            choice.substation.health.refused()
            if failed:
                self._judge(choice.substation, failed, now_s)
            else:
                choice.substation.breaker.spared()
                self._apply_health(choice.substation, now_s)
        self._on_change()

    # ------------------------------------------------------------------ cars that wait

    def choose_free(self, power: PowerRange, asked: Collection[str]) -> Choice | None:
        """A member that has room for a car that waits elsewhere, as far as is known, with the power reserved there."""
        with self._lock:
            reservation = self._fleet.reserve_free(power, {*asked, *self._spared})
            return None if reservation is None else Choice(self._substations[reservation.name], reservation)

    def shortest_backlogs(self, power: PowerRange, number: int, asked: Collection[str]) -> list[Substation]:
        """The members, not more than so many, at which a car would wait least, by a guess; the best first."""
        with self._lock:
            names = self._fleet.shortest_backlogs(power, number, asked)
            return [self._substations[name] for name in names]

    def lists(self) -> dict[str, Status]:
        """The statuses of the members in rotation at which cars wait, by name."""
        with self._lock:
            return {view.name: view.status for view in self._fleet.lists() if view.status is not None}

    def largest_room_kw(self) -> float:
        """The greatest minimum that a member in rotation could admit, as far as is known."""
        with self._lock:
            return self._fleet.largest_room_kw()

    # ------------------------------------------------------------------ how members answer

    def saw(self, substation: Substation, header: str | None) -> None:
        """A member has answered, with this status."""
        found = status_header.decode(header, time.monotonic())
        self.saw_status(substation, found[1] if found else None)

    def saw_status(self, substation: Substation, status: Status | None) -> None:
        """A member has answered, with this status; None where it said nothing of it that can be."""
        now_s = time.monotonic()
        with self._lock:
            if status is not None and self._is_current(substation):
                self._fleet.update(substation.name, status, now_s)
            self._hear_away(substation, status)
            substation.health.answered()
            self._apply_health(substation, now_s)
        self._on_change()

    def unanswered(self, substation: Substation) -> None:
        """A member has refused a connection, or left a request unanswered: no cars until it answers."""
        with self._lock:
            substation.health.refused()
            self._apply_health(substation, time.monotonic())
        self._on_change()

    def missed(self, substation: Substation) -> None:
        """A member has not answered a poll in time."""
        with self._lock:
            substation.health.missed_poll()
            self._apply_health(substation, time.monotonic())
        self._on_change()

    def is_in_rotation(self, name: str) -> bool:
        """Whether it may get cars, as far as its answers tell."""
        with self._lock:
            return name in self._fleet and self._fleet.view(name).in_rotation

    def status_of(self, name: str) -> Status | None:
        """The newest status seen of a member."""
        with self._lock:
            return self._fleet.view(name).status if name in self._fleet else None

    def saw_balancers(self, substation: Substation, epochs: frozenset[int]) -> None:
        """Which balancers a member says that it is, and has beneath it; none of a substation."""
        with self._lock:
            if epochs and self._is_current(substation):
                self._balancers[substation.name] = epochs
            else:
                self._balancers.pop(substation.name, None)

    def is_balancer(self, name: str) -> bool:
        """Whether a member is one, so a region, and no substation."""
        with self._lock:
            return name in self._balancers

    def balancers(self) -> frozenset[int]:
        """All that are beneath this one, by their epochs."""
        with self._lock:
            return frozenset[int]().union(*self._balancers.values())

    # ------------------------------------------------------------------ the fleet as a whole

    @property
    def epoch(self) -> int:
        """Which tells this balancer from every other."""
        return self._fleet.epoch

    def totals(self) -> Status:
        with self._lock:
            return self._fleet.totals()

    def seen(self) -> list[Seen]:
        """All members with what is known of them, by name."""
        with self._lock:
            return [Seen(self._substations[name].member, self._fleet.view(name)) for name in sorted(self._substations)]

    def size(self) -> int:
        return len(self._substations)

    def spared(self) -> set[str]:
        """The names of those whose breaker is not closed."""
        with self._lock:
            return set(self._spared)

    def slow(self) -> set[str]:
        """The names of those that are asked last."""
        with self._lock:
            return self._slowness.names()

    def leaving(self) -> frozenset[str]:
        """The names of those that are to be taken away once they are empty."""
        return self._leaving

    def set_leaving(self, names: frozenset[str]) -> None:
        """Have these be asked last, so that they empty, and no others."""
        now_s = time.monotonic()
        with self._lock:
            changed, self._leaving = self._leaving ^ names, names
            for name in changed & self._substations.keys():
                self._apply_health(self._substations[name], now_s)
        if changed:
            self._on_change()

    def known(self) -> list[Known]:
        """What is known of each, also of those that do not answer or have left."""
        with self._lock:
            views = map(self._fleet.view, self._substations)
            return [
                *(Known(view.name, view.status, view.reserved_max_kw) for view in views),
                *(Known(name, self._away_status.get(name), is_away=True) for name in self._away_since_s),
            ]

    def out_of_rotation(self) -> int:
        """How many members do not answer."""
        with self._lock:
            return sum(not each.health.in_rotation for each in self._substations.values())

    def not_seen(self) -> str | None:
        """Which member has neither answered, with its status and all its keys, nor failed to since it joined, or None.

        Only until all have once: a member that joins later does not make a balancer unready that serves.
        """
        with self._lock:
            if self._all_seen:
                return None
            for name, each in self._substations.items():
                if each.health.missed:
                    continue
                if self._fleet.view(name).status is None:
                    return f"{name} has not been asked yet"
                if not each.keys_known:
                    return f"the keys of {name} are not all read yet"
            self._all_seen = True
        return None

    # ------------------------------------------------------------------ within the lock

    def _reserve(
        self,
        power: PowerRange,
        now_s: float,
        asked: Collection[str],
        tiers: Tiers | None,
        down_to: Standing = Standing.LAST,
    ) -> Reservation | None:
        """Regions are few, so with tiers it may cost a step for each member; without it is a look into an index."""
        if tiers is None:
            return self._fleet.reserve(power, now_s, asked, down_to)
        for tier in tiers:
            others = {*asked, *(self._substations.keys() - tier)}
            if (found := self._fleet.reserve(power, now_s, others, down_to)) is not None:
                return found
        return None

    def _is_panic(self) -> bool:
        """Whether so many members are out of rotation that the fault is probably not theirs."""
        return len(self._out) > PANIC_THRESHOLD * len(self._substations)

    def _judge(self, substation: Substation, failed: bool, now_s: float) -> None:
        """What became of a car that was sent."""
        if failed:
            substation.breaker.failed(now_s)
        else:
            substation.breaker.succeeded()
        if self._is_current(substation):
            if failed:
                self._spared[substation.name] = substation
            else:
                self._spared.pop(substation.name, None)
        self._apply_health(substation, now_s)

    def _apply_health(self, substation: Substation, now_s: float) -> None:
        if not self._is_current(substation):
            return
        name, standing = substation.name, self._standing(substation, now_s)
        self._fleet.set_standing(name, standing)
        if standing <= Standing.LAST:
            self._out.discard(name)
        else:
            self._out.add(name)

    def _standing(self, substation: Substation, now_s: float) -> Standing:
        if not substation.health.in_rotation:
            return Standing.NONE if substation.breaker.has_probe else Standing.OUT
        if substation.breaker.lets_through(now_s):
            is_last = substation.name in self._slowness or substation.name in self._leaving
            return Standing.LAST if is_last else Standing.FIRST
        return Standing.NONE if substation.breaker.has_probe else Standing.SPARED

    def _hear_away(self, substation: Substation, status: Status | None) -> None:
        """One that has left has answered: mostly a car that was under way to it, and charges there now."""
        name = substation.name
        if status is None or name not in self._away_since_s or not status.is_possible:
            return
        if status.replaces(self._away_status.get(name)):
            self._away_status[name] = status

    def _is_current(self, substation: Substation) -> bool:
        """Not of an address that it has left."""
        return self._substations.get(substation.name) is substation

    def _forget_long_away(self) -> None:
        if not self._away_since_s:
            return
        end_s, forgotten = time.monotonic() - self._away_life_s, list[str]()
        with self._lock:
            while self._away_since_s:
                name, since_s = next(iter(self._away_since_s.items()))
                if since_s > end_s and len(self._away_since_s) <= MAX_AWAY:
                    break
                del self._away_since_s[name]
                self._away_status.pop(name, None)
                forgotten.append(name)
        for name in forgotten:
            self._on_forgotten(name)
