"""Those who follow a session by server-sent events, and the few threads that look at sessions for all of them.

A stream takes no thread of the gateway (`http_server.stream`), and must take none behind it either: a long poll for
each would hold one thread here, one of the balancer's and one of the substation's, and half of the threads are all
that long polls may have. Nor would it tell enough: the place in a list and the expected start change without the state.
So sessions are looked at, each once a second; those whom the same one belongs to share the look. If that were more
than `LOOKS_PER_S` in all, each is looked at less often: what the balancer is asked is bounded, however many follow.

    view ──first event──▶ client         lookers: due? ──▶ balancer ──▶ anything new? ──▶ all who follow it
      └──▶ follows                       clock:   keep-alive comments, those who have gone, those who go on elsewhere

Threads begin with the first follower. All they do is bounded: a look by the balancer's timeout, sending by not waiting.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from smartgrid.gateway.session_answer import session_of
from smartgrid.gateway.session_events import SessionEvents
from smartgrid.http_client.answer import Answer
from smartgrid.http_server.stream import Stream

MOST = 500
LOOKERS = 4
LOOK_EVERY_S = 1.0
LOOKS_PER_S = 100.0
CLOCK_S = 1.0
log = logging.getLogger(__name__)
Look = Callable[[str, Mapping[str, str]], Answer | None]


@dataclass(slots=True, eq=False)
class _Follower:
    stream: Stream
    events: SessionEvents


@dataclass(slots=True, eq=False)
class _Followed:
    """A session as someone may see it: `headers` say whose it must be."""

    path: str
    headers: Mapping[str, str]
    due_s: float
    followers: list[_Follower] = field(default_factory=list)


class Followers:
    """Tells them what is new. Thread-safe."""

    def __init__(self, look: Look, *, most: int = MOST, look_every_s: float = LOOK_EVERY_S) -> None:
        """`look` gives the answer to a GET, or None where there is none."""
        self._look, self._most, self._look_every_s = look, most, look_every_s
        self._changed = threading.Condition()  # and the lock of all below
        self._followed: dict[tuple[str, str], _Followed] = {}
        self._due: deque[_Followed] = deque()  # those that no looker has just now, the next one first
        self._number = 0
        self._are_threads_there = False

    @property
    def number(self) -> int:
        """How many follow."""
        return self._number

    @property
    def has_room(self) -> bool:
        return self._number < self._most

    def add(self, path: str, headers: Mapping[str, str], whose: str, stream: Stream, events: SessionEvents) -> None:
        """Tell it what is new from now on. `whose` tells apart who may see what at `path`."""
        with self._changed:
            self._begin()
            if not self.has_room:  # several have come at once: this one connects anew
                stream.end()
                return
            followed = self._followed.get((path, whose))
            if followed is None:
                followed = _Followed(path, headers, time.monotonic() + self._look_every_s)
                self._followed[path, whose] = followed
                self._due.append(followed)
                self._changed.notify()
            followed.followers.append(_Follower(stream, events))
            self._number += 1

    def _begin(self) -> None:
        if not self._are_threads_there:
            self._are_threads_there = True
            for work in (*[self._look_on] * LOOKERS, self._keep):
                threading.Thread(target=work, name="session-events", daemon=True).start()

    # ------------------------------------------------------------------ looking

    def _look_on(self) -> None:
        while True:
            followed = self._next()
            try:
                self._tell(followed, self._look(followed.path, followed.headers))
            except Exception:
                log.exception("those who follow a session could not be told")
            self._again(followed)

    def _next(self) -> _Followed:
        """Wait for the next that is due."""
        with self._changed:
            while not self._due or self._due[0].due_s > time.monotonic():
                self._changed.wait(self._due[0].due_s - time.monotonic() if self._due else None)
            found = self._due.popleft()
            if self._due:
                self._changed.notify()
            return found

    def _tell(self, followed: _Followed, found: Answer | None) -> None:
        with self._changed:
            followers = list(followed.followers)
        if found is not None and found.status == 404:
            for each in followers:
                each.stream.end()
        session = None if found is None else session_of(found)
        if session is None:
            return
        now_s = time.monotonic()
        for each in followers:
            news = each.events.seen(session, now_s)
            if news is not None:
                each.stream.send(news)
            if each.events.is_complete:
                each.stream.end()

    def _again(self, followed: _Followed) -> None:
        with self._changed:
            self._leave_out_gone(followed)
            if followed.followers:
                every_s = max(self._look_every_s, len(self._followed) / LOOKS_PER_S)
                followed.due_s = time.monotonic() + every_s
                self._due.append(followed)
                self._changed.notify()
            else:
                self._followed = {key: each for key, each in self._followed.items() if each is not followed}

    def _leave_out_gone(self, followed: _Followed) -> None:
        stay = [each for each in followed.followers if not each.stream.is_over]
        self._number -= len(followed.followers) - len(stay)
        followed.followers = stay

    # ------------------------------------------------------------------ time

    def _keep(self) -> None:
        while True:
            time.sleep(CLOCK_S)
            try:
                self._keep_alive(time.monotonic())
            except Exception:
                log.exception("those who follow sessions could not be kept")

    def _keep_alive(self, now_s: float) -> None:
        with self._changed:
            for followed in self._followed.values():
                self._leave_out_gone(followed)
            everyone = [each for followed in self._followed.values() for each in followed.followers]
        for each in everyone:
            comment = each.events.keep_alive(now_s)
            if comment is not None:
                each.stream.send(comment)
            if each.events.is_long_enough(now_s):
                each.stream.end()
