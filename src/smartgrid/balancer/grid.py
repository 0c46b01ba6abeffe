"""The fleet as all threads of the balancer share it."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from smartgrid.balancer.discovery import Member
from smartgrid.balancer.health import Health
from smartgrid.domain.fleet import Fleet, Reservation, View
from smartgrid.domain.request import PowerRange
from smartgrid.domain.status import Status
from smartgrid.http_client.client import HttpClient
from smartgrid.protocol import status_header


@dataclass(slots=True)
class Entry:
    """A member, how to reach it, and how it has answered."""

    member: Member
    client: HttpClient
    health: Health = field(default_factory=Health)


@dataclass(frozen=True, slots=True)
class Choice:
    """A substation chosen for a car, with the power reserved there."""

    entry: Entry
    reservation: Reservation


@dataclass(frozen=True, slots=True)
class Seen:
    """A member as `GET /substations` shows it."""

    member: Member
    view: View
    in_rotation: bool


class Grid:
    """Thread-safe: choosing and reserving is one step under one lock. Its clock is the monotonic one."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._changed = threading.Condition()
        self._entries: dict[str, Entry] = {}
        self._departed: set[str] = set()
        self._ending = False
        self._all_seen = False

    def join(self, member: Member) -> None:
        """Take in a member, or its new address."""
        with self._changed:
            known = self._entries.get(member.name)
            if known is not None and known.member == member:
                return
            self._entries[member.name] = Entry(member, HttpClient(member.url))
            self._departed.discard(member.name)
            self._fleet.join(member.name)
            self._changed.notify_all()
        if known is not None:
            known.client.close()

    def leave(self, name: str) -> None:
        with self._changed:
            entry = self._entries.pop(name, None)
            self._departed.add(name)
            self._fleet.leave(name)
            self._changed.notify_all()
        if entry is not None:
            entry.client.close()

    def entry(self, name: str) -> Entry | None:
        with self._changed:
            return self._entries.get(name)

    def entries(self) -> list[Entry]:
        """All members, by name."""
        with self._changed:
            return [self._entries[name] for name in sorted(self._entries)]

    def has_departed(self, name: str) -> bool:
        """Whether a substation of this name was in the fleet and is no more."""
        with self._changed:
            return name in self._departed

    def choose(self, power: PowerRange, asked: Collection[str]) -> Choice | None:
        with self._changed:
            reservation = self._fleet.reserve(power, time.monotonic(), asked)
            return None if reservation is None else Choice(self._entries[reservation.name], reservation)

    def settle(self, choice: Choice, header: str | None) -> None:
        """The chosen substation has answered: take its fresh status for the reservation."""
        now_s = time.monotonic()
        found = status_header.decode(header, now_s)
        with self._changed:
            self._fleet.confirm(choice.reservation, found[1] if found else None, now_s)
            self._answered(choice.entry)
            self._changed.notify_all()

    def give_up(self, choice: Choice) -> None:
        """The chosen substation cannot be reached, or leaves the car waiting: it gets no more until it answers."""
        with self._changed:
            self._fleet.release(choice.reservation)
            choice.entry.health.refused()
            self._apply_health(choice.entry)
            self._changed.notify_all()

    def saw(self, entry: Entry, header: str | None) -> None:
        """A member has answered, with this status."""
        now_s = time.monotonic()
        found = status_header.decode(header, now_s)
        with self._changed:
            if found is not None:
                self._fleet.update(entry.member.name, found[1], now_s)
            self._answered(entry)
            self._changed.notify_all()

    def missed(self, entry: Entry, *, refused: bool) -> None:
        """A member has not answered a poll in time, or has refused the connection."""
        with self._changed:
            if refused:
                entry.health.refused()
            else:
                entry.health.missed_poll()
            self._apply_health(entry)
            self._changed.notify_all()

    def revision_of(self, name: str) -> int | None:
        """The newest revision seen of a member."""
        with self._changed:
            view = self._fleet.view(name) if name in self._fleet else None
            return view.status.revision if view and view.status else None

    def totals(self) -> Status:
        with self._changed:
            return self._fleet.totals()

    def wait_for_change(self, revision: int, timeout_s: float) -> Status:
        """The totals as soon as their revision is past `revision`, or after `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._ending or self._fleet.totals().revision > revision, timeout_s)
            return self._fleet.totals()

    def seen(self) -> list[Seen]:
        """All members with what is known of them, by name."""
        with self._changed:
            return [
                Seen(self._entries[name].member, self._fleet.view(name), self._entries[name].health.in_rotation)
                for name in sorted(self._entries)
            ]

    def size(self) -> int:
        with self._changed:
            return len(self._entries)

    def out_of_rotation(self) -> int:
        """How many members do not answer."""
        with self._changed:
            return sum(not entry.health.in_rotation for entry in self._entries.values())

    def not_seen(self) -> str | None:
        """Which member has neither answered nor failed to since it joined, or None.

        Only until all have once: a member that joins later does not make a balancer unready that serves.
        """
        with self._changed:
            if self._all_seen:
                return None
            for name, entry in self._entries.items():
                if self._fleet.view(name).status is None and not entry.health.missed:
                    return f"{name} has not been asked yet"
            self._all_seen = True
        return None

    def wake(self) -> None:
        """End all waits for a change."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()

    def _answered(self, entry: Entry) -> None:
        entry.health.answered()
        self._apply_health(entry)

    def _apply_health(self, entry: Entry) -> None:
        if self._entries.get(entry.member.name) is entry:  # not of an address that it has left
            self._fleet.set_in_rotation(entry.member.name, entry.health.in_rotation)
