"""Attempts with an unknown outcome: they are voided as soon as the substation answers again."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from urllib.parse import urlencode

from smartgrid.balancer.grid import Grid
from smartgrid.balancer.state import State
from smartgrid.http_client.client import NotSentError, OutcomeUnknownError
from smartgrid.protocol.headers import STATUS

TIMEOUT_S = 2.0
RETRY_S = 1.0
JOIN_TIMEOUT_S = 5.0
log = logging.getLogger(__name__)


class Voids:
    """What is to be voided is on disk before `add` returns; a thread works it off, member by member."""

    def __init__(self, grid: Grid, state: State) -> None:
        self._grid, self._state = grid, state
        self.check: Callable[[str], None] = lambda _name: None
        """Called with the name of a member that let a car down, to ask it at once whether it is alive."""
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="voids", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()
        self._thread.join(JOIN_TIMEOUT_S)

    def add(self, name: str, key: str, before: int) -> None:
        """Void the attempts with `key` at `name` before this one, when it answers again."""
        self._state.add_void(name, key, before)
        log.warning("outcome unknown; the key will be voided", extra={"substation": name})
        self.check(name)
        self._wake.set()

    def answers_again(self, _name: str) -> None:
        self._wake.set()

    def pending(self) -> int:
        return self._state.void_count()

    def _run(self) -> None:
        any_left = True
        while not self._stop.is_set():
            self._wake.wait(RETRY_S if any_left else None)
            self._wake.clear()
            try:
                self._work()
                any_left = self._state.void_count() > 0
            except sqlite3.Error as error:
                log.error("cannot work off voids: %s", error)
                any_left = True

    def _work(self) -> None:
        for entry in self._grid.entries():
            if entry.health.in_rotation and not self._stop.is_set():
                self._work_off(entry.member.name)

    def _work_off(self, name: str) -> None:
        for key, before in self._state.voids(name):
            if self._stop.is_set() or not self._void(name, key, before):
                return
            self._state.voided(name, key, before)

    def _void(self, name: str, key: str, before: int) -> bool:
        """Whether the substation says that it is done."""
        entry = self._grid.entry(name)
        if entry is None:
            return False
        path = "/charge?" + urlencode({"idempotency_key": key, "before": before})
        try:
            answer = entry.client.request("DELETE", path, timeout_s=TIMEOUT_S)
        except (NotSentError, OutcomeUnknownError):
            return False
        if answer.status != 200:
            return False
        self._grid.saw(entry, answer.headers.get(STATUS))
        return True
