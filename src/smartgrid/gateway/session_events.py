"""What a client that follows a session is told, in the words of server-sent events (WHATWG HTML, 9.2).

Each event has the whole session, so it does not matter which ones somebody has missed. There is one at first, and one
when the session's state, its place in a waiting list or its expected start is another; an expected start that moves by
less than a second is not news. Browsers reconnect by themselves when a stream ends, also when all has been told: they
say in `Last-Event-ID` what they heard last, and as an event's id is a digest of what it tells, the gateway can answer
that there will be no more (204).

Pure: the time is an argument, on one monotonic clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any

from pydantic_core import to_json

from smartgrid.domain.session import SessionState

KEEP_ALIVE_S = 15.0
"""Proxies cut what is silent for longer than that, most after 60 s."""
LONGEST_S = 600.0
"""After that the client connects anew: with a token that still holds, and to a gateway that has room."""
KEEP_ALIVE = b": keep-alive\n\n"
EXPECTED_START_MOVES_S = 1.0


class SessionEvents:
    """Of one client that follows one session, which it is told of once by `first`."""

    def __init__(self, session: Mapping[str, Any], now_s: float) -> None:
        self._told, self._told_s = session, now_s
        self._end_s = now_s + LONGEST_S

    @property
    def is_complete(self) -> bool:
        """Whether the session has ended, and the client knows."""
        return has_ended(self._told)

    def first(self, retry_ms: int) -> bytes:
        """How long to wait before connecting again when this ends, and the session."""
        return b"retry: %d\n%b" % (retry_ms, event(self._told))

    def seen(self, session: Mapping[str, Any], now_s: float) -> bytes | None:
        """What to tell of the session as it is now; None if that is nothing new."""
        if not _differ(self._told, session):
            return None
        self._told, self._told_s = session, now_s
        return event(session)

    def keep_alive(self, now_s: float) -> bytes | None:
        """A comment if nothing has been said for long, so that nobody on the way takes the connection for dead."""
        if now_s < self._told_s + KEEP_ALIVE_S:
            return None
        self._told_s = now_s
        return KEEP_ALIVE

    def is_long_enough(self, now_s: float) -> bool:
        """Whether the client should connect anew."""
        return now_s >= self._end_s


def event(session: Mapping[str, Any]) -> bytes:
    """The session as one event."""
    return b"event: session\nid: %b\ndata: %b\n\n" % (event_id(session).encode(), to_json(session))


def event_id(session: Mapping[str, Any]) -> str:
    """The same for what tells a client the same."""
    news = [*_words(session), session.get("expected_start")]
    return blake2b(to_json(news), digest_size=9).hexdigest()


def has_ended(session: Mapping[str, Any]) -> bool:
    return session.get("state") == SessionState.IDLE


def _words(session: Mapping[str, Any]) -> list[object]:
    return [session.get(name) for name in ("session_id", "state", "position")]


def _differ(told: Mapping[str, Any], session: Mapping[str, Any]) -> bool:
    if _words(told) != _words(session):
        return True
    before_s, after_s = _seconds(told.get("expected_start")), _seconds(session.get("expected_start"))
    if before_s is None or after_s is None:
        return before_s is not after_s
    return abs(after_s - before_s) >= EXPECTED_START_MOVES_S


def _seconds(time: object) -> float | None:
    try:
        return datetime.fromisoformat(time).timestamp() if isinstance(time, str) else None
    except ValueError:
        return None
