"""What this balancer last saw of sessions, to be read while their substation is away.

The truth about a session is at its substation alone. While that cannot be asked, a look is answered with the record
that this balancer last saw of it, and says so: `as_of` is when that was. It is never more than a memory. Stops, starts
and lists go to the substations, and another balancer may remember something else, or nothing.

Kept is what this process has placed and what was looked at or stopped through it, for as long as there is room, with
the owner in whose name that was done. Who may see one owner's sessions only is told of those that are known to be this
owner's; a record whose owner is not known is for who may see the whole grid.

A record is kept as its JSON, about 500 bytes. A session that is ended, or was not found, replaces what was known of it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from smartgrid.runtime.clock import rfc3339

AS_OF = "as_of"
MAX_SESSIONS = 10_000
MAX_BYTES = 8 * 1024 * 1024
MAX_RECORD_BYTES = 4096
"""Of one session: a member may send fields that this version does not know."""


@dataclass(frozen=True, slots=True)
class _Seen:
    record: bytes
    owner: str | None
    at_s: float


class LastKnown:
    """Thread-safe. Sessions are named and shown as this balancer does; times are seconds since 1970."""

    def __init__(self, max_sessions: int = MAX_SESSIONS, max_bytes: int = MAX_BYTES) -> None:
        self._max_sessions, self._max_bytes = max_sessions, max_bytes
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}  # the longest unseen first
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._seen)

    def note(self, session: dict[str, Any], owner: str | None, now_s: float) -> None:
        """Its substation has just told this. `owner` is in whose name it was asked, None for who may see all.

        What is itself only remembered, by a region, is no news.
        """
        if session.get(AS_OF) is not None:
            return
        session_id, record = session["session_id"], to_json(session)
        with self._lock:
            known = self._forget(session_id)
            if len(record) > MAX_RECORD_BYTES:
                return
            self._seen[session_id] = _Seen(record, owner or (known.owner if known else None), now_s)
            self._bytes += len(record)
            while len(self._seen) > self._max_sessions or self._bytes > self._max_bytes:
                self._forget(next(iter(self._seen)))

    def forget(self, session_id: str, owner: str | None) -> None:
        """Its substation says to this owner, or to who may see all, that there is no such session."""
        with self._lock:
            known = self._seen.get(session_id)
            if known is not None and owner in (None, known.owner):
                self._forget(session_id)

    def get(self, session_id: str, owner: str | None) -> dict[str, Any] | None:
        """What was last seen, with `as_of`; None where nothing was, or nothing that this owner may see."""
        known = self._seen.get(session_id)
        if known is None or owner not in (None, known.owner):
            return None
        return {**from_json(known.record), AS_OF: rfc3339(known.at_s)}

    def _forget(self, session_id: str) -> _Seen | None:
        known = self._seen.pop(session_id, None)
        if known is not None:
            self._bytes -= len(known.record)
        return known
