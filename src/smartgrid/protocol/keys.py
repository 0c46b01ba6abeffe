"""Idempotency keys between services: their digests, and the log by which others learn which keys a service holds.

A substation remembers the key and the number of every session for a day. A balancer must know where a key is without
asking anyone, so every substation has a log of its keys: whoever has read it up to one position asks for what has
changed since (`GET /status?...&keys=POSITION`). An entry that changes moves to the end of the log, so a reader that
takes page after page misses nothing, and what it gets is never more than the keys there are. A balancer keeps such a
log of all its substations' keys for a balancer in front of it. As the log names every session anyway, it also says of
each that charges what it takes of its owner's quota.

The log holds digests, not keys: a key may have 255 characters and belongs to a client. It belongs to that client alone:
two owners may choose the same key, so what is digested is owner and key together.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

from smartgrid.domain.status import MAX_POWER_KW
from smartgrid.protocol.headers import OWNER_PATTERN
from smartgrid.protocol.numbers import Number, decode, encode, is_believable

KEY_LIFE_S = 24 * 3600.0
"""How long a key is remembered after the session's end and after its latest try, whichever is later."""
MAX_KEYS = 100_000
"""Ended sessions' keys that a substation remembers at the most; the oldest are forgotten first."""
PAGE_ENTRIES = 2000
DIGEST_LENGTH = 22
DIGEST_PATTERN = r"[A-Za-z0-9_-]{22}"
FEED_TOLERANCE_S = 300.0
"""How far ahead of one's own clock a number in a log is believed: others' clocks gave it and passed it on."""
_DIGEST = re.compile(DIGEST_PATTERN)
_OWNER = re.compile(OWNER_PATTERN)
_SESSION_ID = re.compile(r"[A-Za-z0-9_.-]{1,300}")


def digest(key: str, owner: str | None = None) -> str:
    """An owner's key as it travels between services: 128 bits of BLAKE2b, 22 characters.

    The owner is the key of a keyed hash, which has no digest in common with another owner's, nor with the plain hash of
    a key that is nobody's.
    """
    keyed = blake2b(key.encode(), digest_size=16, key=b"" if owner is None else owner.encode())
    return urlsafe_b64encode(keyed.digest())[:DIGEST_LENGTH].decode()


class OwnUse(NamedTuple):
    """What a session takes of its owner's quota while it charges: `power_kw` is its maximum."""

    owner: str
    power_kw: float


class KeyEntry(NamedTuple):
    """One session of a key: at the latest try's `number`; `superseded` where another session of the key counts.

    `use` is None once the session has ended, and of one that is nobody's.
    """

    digest: str
    number: Number
    session_id: str
    superseded: bool = False
    use: OwnUse | None = None


class KeyPage(NamedTuple):
    """What has changed in a log; `more` where the next page can be asked for at once."""

    entries: list[KeyEntry]
    position: int
    more: bool
    reset: bool = False


class KeyLog:
    """Entries by session id, in the order of their latest change. Not thread-safe."""

    def __init__(self) -> None:
        self.position = 0
        self._latest: dict[str, tuple[int, KeyEntry]] = {}
        self._positions: list[int] = []  # growing; beside it the session id that changed there
        self._session_ids: list[str] = []

    def __len__(self) -> int:
        return len(self._latest)

    def __iter__(self) -> Iterator[KeyEntry]:
        return (entry for _, entry in self._latest.values())

    def get(self, session_id: str) -> KeyEntry | None:
        found = self._latest.get(session_id)
        return found[1] if found else None

    def changed_at(self, session_id: str) -> int:
        """The position of its latest change; 0 for one that is not there."""
        found = self._latest.get(session_id)
        return found[0] if found else 0

    def note(self, entry: KeyEntry) -> None:
        """A new entry, or one that has changed."""
        self.position += 1
        self._latest[entry.session_id] = (self.position, entry)
        self._positions.append(self.position)
        self._session_ids.append(entry.session_id)
        if len(self._positions) > 2 * len(self._latest) + PAGE_ENTRIES:
            self._compact()

    def forget(self, session_id: str) -> KeyEntry | None:
        """Readers are not told: what they still have of it does no harm."""
        found = self._latest.pop(session_id, None)
        return found[1] if found else None

    def since(self, position: int, limit: int = PAGE_ENTRIES) -> KeyPage:
        """Up to `limit` entries that have changed after `position`, in the order of their changes."""
        entries: list[KeyEntry] = []
        index = bisect_right(self._positions, position)
        while index < len(self._positions) and len(entries) < limit:
            position, session_id = self._positions[index], self._session_ids[index]
            found = self._latest.get(session_id)
            if found is not None and found[0] == position:
                entries.append(found[1])
            index += 1
        more = index < len(self._positions)
        return KeyPage(entries, position if more else self.position, more)

    def _compact(self) -> None:
        ordered = sorted((position, session_id) for session_id, (position, _) in self._latest.items())
        self._positions = [position for position, _ in ordered]
        self._session_ids = [session_id for _, session_id in ordered]


def to_wire(page: KeyPage) -> dict[str, Any]:
    """A page as `GET /status` answers it."""
    entries = [[e.digest, encode(e.number), e.session_id, int(e.superseded), *(e.use or ())] for e in page.entries]
    return {"entries": entries, "position": page.position, "more": page.more, "reset": page.reset}


def from_wire(wire: Any, now_s: float) -> KeyPage:
    """A page from an answer, with `now_s` in seconds since 1970.

    Raises ValueError for what cannot be a page, and for a number from the future: who says that is not to be believed.
    """
    try:
        entries, position, more, reset = wire["entries"], wire["position"], wire["more"], wire["reset"]
        if type(position) is not int or type(more) is not bool or type(reset) is not bool:
            raise ValueError("position, more or reset is of another type")
        if len(entries) > PAGE_ENTRIES or not 0 <= position < 2**63:
            raise ValueError("too many entries, or a position out of bounds")
        return KeyPage([_entry(entry, now_s) for entry in entries], position, more, reset)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no page of keys: {error}") from error


def _entry(wire: Any, now_s: float) -> KeyEntry:
    digest_, number_text, session_id, superseded, *use = wire
    number = decode(number_text)
    if not _DIGEST.fullmatch(digest_) or not _SESSION_ID.fullmatch(session_id) or superseded not in (0, 1):
        raise ValueError("an entry has no digest, no session id or no flag")
    if number is None or not is_believable(number, now_s, FEED_TOLERANCE_S):
        raise ValueError("an entry has a number that cannot be")
    return KeyEntry(digest_, number, session_id, bool(superseded), _use(*use) if use else None)


def _use(owner: Any, power_kw: Any) -> OwnUse:
    if not _OWNER.fullmatch(owner) or type(power_kw) not in (int, float) or not 0 < power_kw <= MAX_POWER_KW:
        raise ValueError("an entry has an owner or a power that cannot be")
    return OwnUse(owner, float(power_kw))
