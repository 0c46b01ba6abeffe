"""When those who wait will start: the substation and its list run forward, for whoever looks.

A run costs as much as all the events that it goes through, milliseconds or tens of them with a full list. So it is
made on copies, taken under the ledger's lock and run without it; one at a time, whose result serves all who have asked
meanwhile; and what was found stays true until something happens that was not to be foreseen. That a session ends when
it was expected to, and the next starts, was.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from smartgrid.substation.book import Copies

PATIENCE_S = 5.0
"""So long at the most one waits for others' runs; then what was found last is told."""


class Outlook:
    """Thread-safe. `copies` gives copies to run, or None if there were no surprises since there were so many."""

    def __init__(self, copies: Callable[[int | None], Copies | None]) -> None:
        self._copies = copies
        self._right_to_run = threading.Lock()
        self._surprises: int | None = None
        self._starts_s: Mapping[str, float] = {}

    def starts_s(self) -> Mapping[str, float]:
        """By session id, in grid time; those who will not start as things stand are left out."""
        if not self._right_to_run.acquire(timeout=PATIENCE_S):
            return self._starts_s
        try:
            copies = self._copies(self._surprises)
            if copies is not None:
                self._starts_s = copies.line.expected_starts_s(copies.substation)
                self._surprises = copies.surprises
        finally:
            self._right_to_run.release()
        return self._starts_s
