"""Keys with sessions at two members: the one with the lower number is ended.

A pure rule decides, `losers`, from what the directory has of a key: the greatest number stays, also when its session
has ended by now, as that is what the client was told last; every other is superseded. Every balancer with the same
directory comes to the same decision. The order names the number before which the session is to be ended, so one that
comes late, when a repeat has raised that session's number, does nothing.

A thread looks four times a second whether there are such keys and works them off. It remembers nothing of it: as long
as the directory shows two sessions it decides again. A member that does not do as told is left alone for a while,
longer each time. So after whatever has happened it is enough that some balancer lives and the members answer.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from smartgrid.balancer import member_answers
from smartgrid.balancer.live_fleet import LiveFleet, Substation
from smartgrid.balancer.periodic import Periodic
from smartgrid.balancer.placement.directory import Directory
from smartgrid.http_client.client import NotSentError, OutcomeUnknownError
from smartgrid.protocol import headers, numbers, status_header
from smartgrid.protocol.keys import KeyEntry
from smartgrid.protocol.numbers import Number
from smartgrid.protocol.session_id import SEPARATOR, path_down, split
from smartgrid.runtime.backoff import Backoff

LOOK_S = 0.25
TIMEOUT_S = 2.0
FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 30.0
MAX_KEYS_A_LOOK = 1000
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Superseding:
    """End the session `session_id` if its number is below `before`: the session `by` counts in its place."""

    session_id: str
    before: Number
    by: str


def losers(entries: Sequence[KeyEntry]) -> list[Superseding]:
    """Which sessions of one key are to be ended, from all that is known of it.

    A region settles between its own substations, so a session is left alone whose member has the winner too.
    """
    live = [entry for entry in entries if not entry.superseded]
    if len(live) < 2:
        return []
    winner = max(live, key=lambda entry: entry.number)
    member, _ = split(winner.session_id)
    return [
        Superseding(entry.session_id, winner.number, winner.session_id)
        for entry in live
        if entry.number < winner.number and split(entry.session_id)[0] != member
    ]


@dataclass(slots=True)
class _Pause:
    """Where a session was not ended as told, others are left alone too until `end_s`."""

    backoff: Backoff = field(default_factory=lambda: Backoff(FIRST_RETRY_S, LONGEST_RETRY_S))
    end_s: float = 0.0


class Comparer(Periodic):
    """Works off what the directory shows, in a thread of its own while it is entered."""

    def __init__(
        self, fleet: LiveFleet, directory: Directory, *, on_superseded: Callable[[], None] = lambda: None
    ) -> None:
        """`on_superseded` is called for each session that is ended."""
        # Else two sessions that are never settled would go unnoticed.
        super().__init__("compare", LOOK_S, failed="comparing keys failed")
        self._fleet, self._directory, self._on_superseded = fleet, directory, on_superseded
        self._pauses: dict[str, _Pause] = {}  # by the substation, also of a region's
        self._looking = threading.Lock()

    def work(self) -> None:
        self.look(time.monotonic())

    def look(self, now_s: float) -> None:
        """Have what the directory shows settled, as far as the members do as told. One thread at a time."""
        with self._looking:
            self._look(now_s)

    def _look(self, now_s: float) -> None:
        contested = self._directory.contested()[:MAX_KEYS_A_LOOK]
        if not contested:
            self._pauses.clear()
        for digest in contested:
            for superseding in losers(self._directory.entries(digest)):
                name, _ = split(superseding.session_id)
                substation = self._fleet.substation(name)
                if substation is None or not self._fleet.is_in_rotation(name) or self._is_paused(superseding, now_s):
                    continue
                if self._stop.is_set():
                    return
                self._tell(substation, superseding)

    def _is_paused(self, superseding: Superseding, now_s: float) -> bool:
        pause = self._pauses.get(_place(superseding))
        return pause is not None and now_s < pause.end_s

    def _tell(self, substation: Substation, superseding: Superseding) -> None:
        if self._supersede(substation, superseding):
            self._pauses.pop(_place(superseding), None)
            return
        pause = self._pauses.setdefault(_place(superseding), _Pause())
        pause.end_s = time.monotonic() + pause.backoff.next_s()
        log.warning("a superseded session is not ended yet", extra={"substation": substation.name})

    def _supersede(self, substation: Substation, superseding: Superseding) -> bool:
        """Whether the member has done as told, or knows nothing of the session."""
        _, inner = split(superseding.session_id)
        query = {"before": numbers.encode(superseding.before), "superseded_by": path_down(superseding.by)}
        path = f"/charge/{quote(inner, safe='')}?{urlencode(query, safe='/')}"
        wanted = {headers.STATUS: status_header.WANTED}
        try:
            answer = substation.client.request("DELETE", path, timeout_s=TIMEOUT_S, headers=wanted)
        except (NotSentError, OutcomeUnknownError):
            return False
        if answer.status == 404:
            return self._directory.not_there(superseding.session_id)
        session = member_answers.session(substation.name, answer.body) if answer.status == 200 else None
        if session is None:
            return False
        self._fleet.saw(substation, answer.headers.get(headers.STATUS))
        if not session.get("superseded_by"):  # a repeat has raised its number, which the directory shows soon
            return False
        self._directory.note_superseded(superseding.session_id)
        self._on_superseded()
        log.info("superseded", extra={"substation": substation.name})
        return True


def _place(superseding: Superseding) -> str:
    return superseding.session_id.rpartition(SEPARATOR)[0]
