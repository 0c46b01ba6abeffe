"""Cars that wait are moved to where they can start: to members that have room and no list.

A car waits at one substation, and power may come free at another, where nobody waits. So while a list is known and a
member has room, the lists are read in their turn (`waiting_lists.in_turn`), and the first car that fits is placed at
the free member, only to charge at once. That is an attempt like any other: the key (its digest, as the key itself is
its client's), the owner, and a number that goes on from the number of the session that waits (`numbers.move`). So
nothing new can go wrong. Where it is admitted the key has two sessions, and comparing (`placement.compare`) ends the
one with the lower number. That is the one that waits; but if it has begun or ended meanwhile, or its client has
repeated the key, its number is the greater one (`numbers.settled`), and the move comes to nothing. Any balancer
compares, should this one be killed in between. Two balancers that move one car make a session too many, and the same
comparing leaves one.

The move has the key to itself, so that a repeat through this balancer waits for it. After each move the list is read
anew, as much may have happened. A list of which nothing could be moved is left alone for a while, longer each time, and
so is one that cannot be read.

A balancer whose members are regions by its settings moves nothing between them: which regions will do for a car is said
by its request alone (`domain.regions`), and is not kept with the session.

Whether there is anything to do is looked at a few times a second, without a walk over the fleet: mostly there is no
list, or no room.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from smartgrid.balancer.live_fleet import Choice, LiveFleet
from smartgrid.balancer.periodic import Periodic
from smartgrid.balancer.placement import attempt
from smartgrid.balancer.placement.attempt import Admitted, Asked, Car, NotSent, Unknown
from smartgrid.balancer.placement.directory import Directory
from smartgrid.balancer.placement.keys_under_way import KeyBusyError, KeysUnderWay
from smartgrid.balancer.waiting_lists import WaitingCar, WaitingLists, in_turn
from smartgrid.domain.sharing import TOLERANCE_KW
from smartgrid.domain.waiting_list import MOST_CARS
from smartgrid.protocol import numbers
from smartgrid.protocol.headers import STATUS
from smartgrid.protocol.keys import KeyEntry, OwnUse
from smartgrid.protocol.models import LEAST_POWER_KW
from smartgrid.protocol.numbers import Number
from smartgrid.protocol.session_id import split
from smartgrid.runtime.backoff import Backoff
from smartgrid.web.charge_views import FIRST_CARS

LOOK_S = 0.25
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
MOST_MOVES = 50
MOST_LISTS = 5
"""So many are moved, and so many lists read in vain, in one look at the most."""
MOVED, REFUSED, NOT_KNOWN = "moved", "refused", "unknown"
RESULTS = (MOVED, REFUSED, NOT_KNOWN)
log = logging.getLogger(__name__)


def fitting(cars: Iterable[WaitingCar], room_kw: float) -> Iterator[WaitingCar]:
    """Those that a member with so much room would admit, in the order of the list."""
    return (car for car in cars if car.body.power.min_kw <= room_kw + TOLERANCE_KW)


@dataclass(slots=True)
class _Pause:
    """A list that is left alone until `end_s`, or until there is more room somewhere than `room_kw`."""

    backoff: Backoff = field(default_factory=lambda: Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S))
    end_s: float = 0.0
    room_kw: float = 0.0

    def is_over(self, now_s: float, room_kw: float) -> bool:
        return now_s >= self.end_s or room_kw > self.room_kw + TOLERANCE_KW


class Mover(Periodic):
    """Moves one car after the other, in a thread of its own while it is entered."""

    def __init__(
        self,
        fleet: LiveFleet,
        directory: Directory,
        keys: KeysUnderWay,
        *,
        balancer_id: int,
        timeout_s: float,
        let_down: Callable[[str], None] = lambda _member: None,
        on_move: Callable[[str], None] = lambda _result: None,
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        """`timeout_s` is for one attempt. `let_down` is called as by `Placement`, `on_move` with what became of each
        attempt, and `settle` after one that has made two sessions of a key."""
        super().__init__("move", LOOK_S, failed="moving cars that wait failed")
        self._fleet, self._directory, self._keys, self._lists = fleet, directory, keys, WaitingLists(fleet)
        self._balancer_id, self._timeout_s = balancer_id, timeout_s
        self._let_down, self._on_move, self._settle = let_down, on_move, settle
        self._moves = itertools.count()
        self._pauses: dict[str, _Pause] = {}  # by the member whose list it is

    def work(self) -> None:
        self.look(time.monotonic())

    def look(self, now_s: float) -> None:
        """Move all that can start elsewhere, as far as the bounds of one look go."""
        if not self._fleet.totals().waiting_sessions:
            self._pauses.clear()
            return
        in_vain = 0
        for _ in range(MOST_MOVES):
            room_kw = self._fleet.largest_room_kw()
            source = self._next_list(now_s, room_kw)
            if source is None or in_vain >= MOST_LISTS or self._stop.is_set():
                return
            if self._move_one_of(source, room_kw):
                self._pauses.pop(source, None)
            else:
                in_vain += 1
                pause = self._pauses.setdefault(source, _Pause())
                pause.end_s, pause.room_kw = now_s + pause.backoff.next_s(), room_kw

    def _next_list(self, now_s: float, room_kw: float) -> str | None:
        """Whose list is in turn; None while no one has room."""
        if room_kw < LEAST_POWER_KW - TOLERANCE_KW:
            return None
        lists = self._fleet.lists()
        paused = {name for name, pause in self._pauses.items() if not pause.is_over(now_s, room_kw)}
        return next(iter(in_turn({name: lists[name] for name in lists.keys() - paused})), None)

    def _move_one_of(self, source: str, room_kw: float) -> bool:
        """Whether a car of this list charges elsewhere now."""
        for car in self._fitting(source, room_kw):
            try:
                with self._keys.holding(car.digest, 0.0):
                    result = self._move(car, source)
            except KeyBusyError:  # its client is just asking for it
                continue
            if result == MOVED:
                self._settle()
                return True
            if result == NOT_KNOWN:
                return False
        return False

    def _fitting(self, source: str, room_kw: float) -> list[WaitingCar]:
        """The first of the list that fit; of all of it where none of the very first does."""
        member = self._fleet.substation(source)
        for limit in (FIRST_CARS, MOST_CARS):
            cars = self._lists.read(member, limit) if member is not None else None
            found = list(fitting(cars or (), room_kw))
            if found or cars is None or len(cars) < limit:
                return found
        return []

    def _move(self, car: WaitingCar, source: str) -> str:
        """Have it placed elsewhere, unless the key's session is not the one that waits."""
        number = self._number(car)
        choice = self._fleet.choose_free(car.body.power, [source]) if number is not None else None
        if number is None or choice is None:
            return REFUSED
        asked = self._ask(car, number, choice)
        match asked.outcome:
            case Admitted(session, replayed=False):
                self._note(car, number, session)
                result = MOVED
            case NotSent() | Unknown():
                self._let_down(choice.substation.name)
                result = NOT_KNOWN
            case _:  # also where the key has a session there: a move raises no number, so only its log says which it is
                result = REFUSED
        self._on_move(result)
        log.info("move: %s", result, extra={"substation": choice.substation.name, "from": source})
        return result

    def _number(self, car: WaitingCar) -> Number | None:
        """Of the attempt. None where the list is out of date, as another session counts or this one has a greater
        number; or where the car has come through too many balancers to be numbered on."""
        holder = self._directory.holder(car.digest)
        if holder is not None and (holder.session_id != car.session_id or holder.number > car.number):
            return None
        number = numbers.move(car.number, self._balancer_id, next(self._moves))
        return number if len(number) <= numbers.MAX_PARTS else None

    def _ask(self, car: WaitingCar, number: Number, choice: Choice) -> Asked:
        placed = Car(car.body.filled_in(), car.body.power, "", number, car.owner, wants_to_wait=True, moved=car.digest)
        begun_s = time.monotonic()
        try:
            asked = attempt.ask(choice.substation.name, choice.substation.client, placed, number, self._timeout_s)
        except BaseException:  # whatever it was, the reservation must not stay
            self._fleet.give_up(choice)
            raise
        failed = attempt.has_failed(asked)
        if asked.answer is None:
            self._fleet.give_up(choice, failed=failed)
        else:
            took_s = time.monotonic() - begun_s
            self._fleet.settle(choice, asked.answer.headers.get(STATUS), failed=failed, took_s=took_s)
        return asked

    def _note(self, car: WaitingCar, number: Number, session: Mapping[str, Any]) -> None:
        """Both sessions, as the directory may not have read of the one that waits, or not of its latest number."""
        use = None if car.owner is None else OwnUse(car.owner, car.body.power.max_kw)
        for session_id, its_number, its_use in (
            (car.session_id, car.number, use),
            (session["session_id"], number, use if session["ended_at"] is None else None),
        ):
            name, inner = split(session_id)
            self._directory.note(name, KeyEntry(car.digest, its_number, inner, use=its_use))
