"""Where each key's sessions are: the keys of all members, as their logs tell them, and this process's own placements.

Telemetry reads a page of a member's log with each status, and `read` takes it in. The first page of a new epoch says
`reset`: the member has started again, or another process answers under its name. Then what was known of it is marked,
each page takes the mark from what it names, and after the last page what is still marked is gone (the substation lost
its file, or has forgotten the key). What this process has placed itself is noted at once; `mark` tells what was noted
while the page was on its way, which the page cannot know and which is not gone.

Numbers and supersedings only grow, and a session ends once, so a page that comes after fresher news takes nothing back.

The directory keeps a log of its own with the ids as this balancer shows them, for a balancer in front of it. A member
that has left stays in it until `forget_member`: its keys have their holder still.

An entry takes about 0.7 KB. There is a bound for one member and one for all; beyond the latter the member with the most
loses its oldest, so that one that tells nonsense costs itself and no other. No clock, no I/O; thread-safe.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from smartgrid.balancer.placement.fleet_use import FleetUse
from smartgrid.protocol.keys import MAX_KEYS, KeyEntry, KeyLog, KeyPage
from smartgrid.protocol.numbers import Number
from smartgrid.protocol.session_id import SEPARATOR, prefixed, split

MAX_KEYS_OF_MEMBER = MAX_KEYS + 50_000
"""A substation tells that many ended sessions' keys at the most, and those that charge."""
MAX_KEYS_IN_ALL = 300_000


@dataclass(slots=True)
class _Told:
    """What a member has told: its sessions in the order of their latest change."""

    sessions: dict[str, None] = field(default_factory=dict)
    unconfirmed: set[str] = field(default_factory=set)  # since the first page of its epoch, and not named again yet
    mark: int = 0


class Directory:
    """Session ids are as this balancer shows them, with the member's name in front."""

    def __init__(
        self,
        on_change: Callable[[], None] = lambda: None,
        use: FleetUse | None = None,
        *,
        max_of_member: int = MAX_KEYS_OF_MEMBER,
        max_in_all: int = MAX_KEYS_IN_ALL,
    ) -> None:
        """`on_change` is called after each change, without a lock held; `use` hears what sessions take of quotas."""
        self._use = use or FleetUse()
        self._on_change, self._max_of_member, self._max_in_all = on_change, max_of_member, max_in_all
        self._lock = threading.Lock()
        self._log = KeyLog()
        self._members: dict[str, _Told] = {}
        self._by_digest: dict[str, tuple[str, ...]] = {}
        self._contested: dict[str, None] = {}

    # ------------------------------------------------------------------ what comes in

    def mark(self) -> int:
        """Where the log is now: to be taken before a page is asked for, and given to `read`."""
        with self._lock:
            return self._log.position

    def read(self, member: str, page: KeyPage, mark: int) -> None:
        """Take in a page of a member's log; its session ids are the member's own."""
        with self._lock:
            before = self._log.position
            told = self._members.setdefault(member, _Told())
            if page.reset:
                told.unconfirmed, told.mark = set(told.sessions), mark
            for entry in page.entries:
                told.unconfirmed.discard(self._note(member, told, entry))
            if not page.more and told.unconfirmed:
                self._sweep(told)
            changed = self._log.position != before
        if changed:
            self._on_change()

    def note(self, member: str, entry: KeyEntry) -> None:
        """This process has just placed a car at the member, or was answered with the session of a repeat."""
        with self._lock:
            self._note(member, self._members.setdefault(member, _Told()), entry)
        self._on_change()

    def note_superseded(self, session_id: str) -> None:
        """Its member says that another session counts in its place."""
        with self._lock:
            entry = self._log.get(session_id)
            if entry is not None:
                member, inner = split(session_id)
                self._note(member, self._members[member], entry._replace(session_id=inner, superseded=True))
        self._on_change()

    def note_end(self, session_id: str) -> None:
        """Its member says that it has ended."""
        with self._lock:
            entry = self._log.get(session_id)
            if entry is not None and entry.use is not None:
                member, inner = split(session_id)
                self._note(member, self._members[member], entry._replace(session_id=inner, use=None))
        self._on_change()

    def drop(self, session_id: str) -> None:
        """Its member knows nothing of it."""
        with self._lock:
            self._forget(session_id)

    def not_there(self, session_id: str) -> bool:
        """Its member says that it has no such session; whether that settles it.

        A substation knows. A region asks its own directory, which may have lost sight of a substation that is away:
        then only the region's log can tell, and a log does not tell again what it has told.
        """
        _, inner = split(session_id)
        if SEPARATOR in inner:
            return False
        self.drop(session_id)
        return True

    def forget_member(self, member: str) -> None:
        """It has been away for too long."""
        with self._lock:
            told = self._members.pop(member, None)
            for session_id in list(told.sessions) if told else ():
                self._forget(session_id)

    # ------------------------------------------------------------------ what is known

    def holder(self, digest: str, not_there: Collection[str] = ()) -> KeyEntry | None:
        """The session that counts: the one with the greatest number of those that are not superseded.

        Where all are, the greatest of these: its member knows by which it was superseded. `not_there` are sessions of
        which their members know nothing.
        """
        with self._lock:
            found = [each for each in self._entries(digest) if each.session_id not in not_there]
        return max(found, key=lambda entry: (not entry.superseded, entry.number), default=None)

    def entries(self, digest: str) -> list[KeyEntry]:
        """All that is known of a key."""
        with self._lock:
            return self._entries(digest)

    def is_superseded(self, session_id: str) -> bool:
        """Whether another session of the key is known to count in its place."""
        with self._lock:
            entry = self._log.get(session_id)
        return entry is not None and entry.superseded

    def has_keys_of(self, member: str) -> bool:
        with self._lock:
            told = self._members.get(member)
            return told is not None and bool(told.sessions)

    def contested(self) -> list[str]:
        """The keys with sessions at two members that are not superseded."""
        with self._lock:
            return list(self._contested)

    def __len__(self) -> int:
        with self._lock:
            return len(self._log)

    def contested_count(self) -> int:
        with self._lock:
            return len(self._contested)

    def page(self, position: int, *, reset: bool) -> KeyPage:
        """What has changed after `position`, for a balancer in front; all from the beginning with `reset`."""
        with self._lock:
            return self._log.since(0 if reset else position)._replace(reset=reset)

    # ------------------------------------------------------------------ within the lock

    def _note(self, member: str, told: _Told, entry: KeyEntry) -> str:
        """Returns the id as this balancer shows it."""
        session_id = prefixed(member, entry.session_id)
        known = self._log.get(session_id)
        if known is None:
            self._by_digest[entry.digest] = (*self._by_digest.get(entry.digest, ()), session_id)
            merged = entry._replace(session_id=session_id, use=None if entry.superseded else entry.use)
        elif known.digest == entry.digest:  # a session is of one key for ever
            number: Number = max(known.number, entry.number)
            superseded = known.superseded or entry.superseded
            use = known.use if entry.use is not None and not superseded else None
            merged = known._replace(number=number, superseded=superseded, use=use)
        else:
            return session_id
        if merged != known:
            self._log.note(merged)
            self._use.changed(member, entry.digest, known.use if known else None, merged.use)
            told.sessions.pop(session_id, None)
            told.sessions[session_id] = None
            self._contest(entry.digest)
            self._keep_within_bounds(told)
        return session_id

    def _entries(self, digest: str) -> list[KeyEntry]:
        return [entry for each in self._by_digest.get(digest, ()) if (entry := self._log.get(each)) is not None]

    def _contest(self, digest: str) -> None:
        """Whether there are two members with a session that is not superseded; mostly there is one session."""
        if len(self._by_digest.get(digest, ())) > 1 and len(self._live_members(digest)) > 1:
            self._contested[digest] = None
        else:
            self._contested.pop(digest, None)

    def _live_members(self, digest: str) -> set[str]:
        return {split(entry.session_id)[0] for entry in self._entries(digest) if not entry.superseded}

    def _keep_within_bounds(self, told: _Told) -> None:
        if len(told.sessions) > self._max_of_member:
            self._forget(next(iter(told.sessions)))
        if len(self._log) > self._max_in_all:
            largest = max(self._members.values(), key=lambda each: len(each.sessions))
            self._forget(next(iter(largest.sessions)))

    def _sweep(self, told: _Told) -> None:
        for session_id in told.unconfirmed:
            if self._log.changed_at(session_id) <= told.mark:
                self._forget(session_id)
        told.unconfirmed = set()

    def _forget(self, session_id: str) -> None:
        entry = self._log.forget(session_id)
        if entry is None:
            return
        member, _ = split(session_id)
        self._use.changed(member, entry.digest, entry.use, None)
        told = self._members.get(member)
        if told is not None:
            told.sessions.pop(session_id, None)
        rest = tuple(each for each in self._by_digest[entry.digest] if each != session_id)
        if rest:
            self._by_digest[entry.digest] = rest
        else:
            del self._by_digest[entry.digest]
        self._contest(entry.digest)
