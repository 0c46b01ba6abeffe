"""Group commit: one write to the disk for all who wait for one.

A change is made in memory first, under the lock of the state, and joins the commit that is open at that moment: it
gets its ticket. Then, without that lock, its thread waits for the ticket. The first to wait takes all that has been
changed so far, writes it and tells the others, who meanwhile queue for the right to write and find theirs written:
a burst pays for a few writes and not one each, and a single change is written at once by the thread that made it.

A ticket has four states. WRITTEN: it is on the disk. FAILED: it is not, and the state has taken back what it must not
keep (`lost`) before anyone is told. UNKNOWN is what a waiter is told when a write has been under way for too long: it
may still succeed or fail, so the ticket itself stays WAITING, and the change stays in the state. No one waits longer
than that for a disk that hangs, however many come; only the thread that is in the write itself cannot be called back.

A commit that fails also fails the one that is open by then, as its changes were made on top of what is taken back.
Nothing here knows what is written. Two locks: the right to write is taken first, the state's lock within it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

TIMEOUT_S = 5.0
"""How long a write may be under way until those who wait for it are told that the outcome is not known."""
T = TypeVar("T")


class Outcome(Enum):
    """What has become of a commit."""

    WAITING = "waiting"
    WRITTEN = "written"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class Ticket:
    """A commit, open or under way or done; `reason` says why it failed."""

    outcome: Outcome = Outcome.WAITING
    reason: str = ""


class GroupCommit(Generic[T]):
    """Writes what threads have changed together.

    With the state's lock held: `take` returns all that is to be written, or None if there is nothing; `written` and
    `lost` are told what has become of it. `write` is called without the lock and returns once it is on the disk; an
    exception from it means that nothing was written.
    """

    def __init__(
        self,
        lock: threading.Lock,
        *,
        take: Callable[[], T | None],
        write: Callable[[T], None],
        written: Callable[[T], None],
        lost: Callable[[T, Exception], None],
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._lock, self._timeout_s = lock, timeout_s
        self._take, self._write, self._written, self._lost = take, write, written, lost
        self._open = Ticket()
        self._right_to_write = threading.Lock()
        self._began_s: float | None = None

    def join(self) -> Ticket:
        """The commit that will hold all changes up to now; the state's lock is held."""
        return self._open

    def wait(self, ticket: Ticket) -> Outcome:
        """Return once the commit is done, by whoever's hand, or when it has been under way for too long."""
        if ticket.outcome is Outcome.WAITING:
            if not self._right_to_write.acquire(timeout=max(0.0, self._timeout_s - self.under_way_s())):
                return Outcome.UNKNOWN if ticket.outcome is Outcome.WAITING else ticket.outcome
            try:
                if ticket.outcome is Outcome.WAITING:
                    self._commit()
            finally:
                self._right_to_write.release()
        return ticket.outcome

    def under_way_s(self) -> float:
        """For how long the present write has been under way; 0 if there is none."""
        began_s = self._began_s
        return 0.0 if began_s is None else time.monotonic() - began_s

    def _commit(self) -> None:
        with self._lock:
            ticket, self._open = self._open, Ticket()
            content = self._take()
        if content is None:
            ticket.outcome = Outcome.WRITTEN
            return
        self._began_s = time.monotonic()
        try:
            self._write(content)
        except Exception as error:
            with self._lock:
                self._lost(content, error)
                later, self._open = self._open, Ticket()
            for each in (ticket, later):
                each.reason, each.outcome = str(error), Outcome.FAILED
        else:
            with self._lock:
                self._written(content)
            ticket.outcome = Outcome.WRITTEN
        finally:
            self._began_s = None
