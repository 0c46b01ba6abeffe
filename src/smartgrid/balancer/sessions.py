"""Sessions of all substations: one by its id, and all of them page by page.

A car that waited and was moved has another session, with another id, than its client was told. The old id stays good:
whoever looks at it, waits for its change, or stops it, gets the session in whose favour it was superseded, if it was
before it had begun to charge. Where that one is above this balancer the record goes up as it is, and the balancer above
goes on.

One is looked at where it is. While its substation is away the look is answered with what was last known, marked as that
(`last_known`); a stop is not, as only the substation can do it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from smartgrid.balancer import member_answers
from smartgrid.balancer.last_known import LastKnown
from smartgrid.balancer.live_fleet import LiveFleet, Substation
from smartgrid.balancer.placement.directory import Directory
from smartgrid.domain.session import EndReason
from smartgrid.http_client.answer import MAX_LIST_BYTES, Answer
from smartgrid.http_client.client import NotSentError, OutcomeUnknownError
from smartgrid.protocol import numbers, status_header, tracing
from smartgrid.protocol.headers import STATUS
from smartgrid.protocol.session_id import MAX_UP, is_above, is_path, path_down, split
from smartgrid.web import access, paging
from smartgrid.web.app import MAX_WAIT_S
from smartgrid.web.charge_views import WHILE, Superseding, WaitQuery
from smartgrid.web.problems import ProblemError, not_found, retry_after

TIMEOUT_S = 1.7
MIN_TIMEOUT_S = 0.05  # a stop is sent on, however late it is
SILENT_TIMEOUT_S = 0.2  # for one that has not answered lately: time to notice that it is back
WAY_S = 0.3  # what a long poll leaves of the asker's time for the answer's way
MAX_REGION_WAIT_S = 45  # load balancers on the way to a region cut connections that say nothing for 60 s
MAX_FOLLOWED = 8  # sessions superseded by sessions that are superseded
Ask = Callable[[str, float], dict[str, Any]]
AFTER = " "  # sorts before all that a name can go on with: cursors say which names are done


@dataclass(frozen=True, slots=True)
class Page:
    """`unreachable` names the substations whose sessions are missing from it."""

    sessions: list[dict[str, Any]]
    next_cursor: str | None
    unreachable: list[str]


class Sessions:
    """The substations hold the sessions; the id says which one to ask.

    They are asked for whom the request is that is being answered (`web.access`): what is another owner's they do not
    list, and do not know.
    """

    def __init__(self, fleet: LiveFleet, directory: Directory, known: LastKnown | None = None) -> None:
        self._fleet, self._directory = fleet, directory
        self._known = LastKnown() if known is None else known

    def get(self, session_id: str, end_s: float = math.inf) -> dict[str, Any]:
        """One session, by `end_s` at the latest; while its substation is away or does not answer, as it was last known,
        with `as_of`. Raises a problem: 404, or 503 where its substation is away and nothing is known of it."""
        return self._followed(self._look, self._look(session_id, end_s), end_s)

    def wait(self, session_id: str, asked: WaitQuery, end_s: float = math.inf) -> dict[str, Any]:
        """One session as soon as its state is another than the asker knows, or after `wait_s`; else as `get`."""
        if self._directory.is_superseded(session_id):  # then it is the other one that may change
            found = self.get(session_id, end_s)
            if found["state"] != asked.known or found["session_id"] == session_id:
                return found
            session_id = found["session_id"]
        name, _ = split(session_id)
        most_s = MAX_REGION_WAIT_S if self._fleet.is_balancer(name) else MAX_WAIT_S
        held_s = int(max(0.0, min(asked.wait_s, most_s, end_s - time.monotonic() - WAY_S)))
        found = self._look(session_id, end_s, f"?wait_s={held_s}&{WHILE}={asked.known}", held_s + TIMEOUT_S)
        return self._followed(self._look, found, end_s)

    def stop(self, session_id: str, superseding: Superseding | None = None, end_s: float = math.inf) -> dict[str, Any]:
        """Stop one session, or have it superseded. Raises a problem: 404, or 503 while its substation is away."""
        if superseding is None:
            return self._followed(self._end, self._end(session_id, end_s), end_s)
        by = path_down(superseding.by)
        if not is_path(by):
            detail = f"superseded_by leads up too far: {MAX_UP - 1} times ../ at the most, at a balancer."
            raise ProblemError(422, "invalid-request", detail)
        query = {"before": numbers.encode(superseding.before), "superseded_by": by}
        return self._call("DELETE", session_id, end_s, f"?{urlencode(query, safe='/')}")

    def page(self, limit: int, cursor: str | None, state: str | None, end_s: float = math.inf) -> Page:
        """Up to `limit` sessions, substation by substation in the order of their names, newest first within each.

        However many do not answer, it takes no longer than one may: the cursor says where to go on. Substations that
        are away are named as unreachable where a session of theirs is known.
        """
        end_s = min(end_s, time.monotonic() + TIMEOUT_S)
        after, inner = paging.decode(cursor, str, str) if cursor else ("", "")
        if len(inner) > member_answers.MAX_CURSOR:
            raise paging.wrong_cursor()
        unreachable = [name for name in self._fleet.away() if self._directory.has_keys_of(name)]
        sessions: list[dict[str, Any]] = []
        for substation in self._fleet.substations():
            name = substation.name
            if name < after:
                continue
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                return Page(sessions, paging.encode([name, inner if name == after else ""]), unreachable)
            timeout_s = left_s if self._fleet.is_in_rotation(name) else min(left_s, SILENT_TIMEOUT_S)
            found = self._page_of(substation, limit - len(sessions), inner if name == after else "", state, timeout_s)
            if found is None:
                unreachable.append(name)
                continue
            sessions += found[0]
            if found[1] is not None:
                return Page(sessions, paging.encode([name, found[1]]), unreachable)
            if len(sessions) >= limit:
                return Page(sessions, paging.encode([name + AFTER, ""]), unreachable)
        return Page(sessions, None, unreachable)

    def _followed(self, ask: Ask, found: dict[str, Any], end_s: float) -> dict[str, Any]:
        """What the same request says of the session in whose favour this one was given up before it had begun.

        Two balancers may have moved the car, so that session may have been given up in its turn, though it had begun.
        """
        if found["started_at"] is not None or found["end_reason"] != EndReason.SUPERSEDED:
            return found
        for _ in range(MAX_FOLLOWED):
            after = found.get("superseded_by")
            if not after or is_above(after):
                break
            try:
                found = ask(after, end_s)
            except ProblemError as error:
                if error.status != 404:  # else its substation has lost its file: the record is all that is left
                    raise
                break
        return found

    def _look(self, session_id: str, end_s: float, query: str = "", timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
        known = self._known.get(session_id, access.owner())
        name, _ = split(session_id)
        if known is not None and not self._fleet.is_in_rotation(name):
            end_s = min(end_s, time.monotonic() + SILENT_TIMEOUT_S)
        try:
            return self._call("GET", session_id, end_s, query, timeout_s)
        except UnavailableError:
            if known is None:
                raise
            return known

    def _end(self, session_id: str, end_s: float) -> dict[str, Any]:
        return self._call("DELETE", session_id, end_s)

    def _call(
        self, method: str, session_id: str, end_s: float, query: str = "", timeout_s: float = TIMEOUT_S
    ) -> dict[str, Any]:
        name, inner = split(session_id)
        substation = self._fleet.substation(name) if inner else None
        if substation is None:
            raise unavailable(name) if inner and self._fleet.is_away(name) else not_found(f"session {session_id}")
        answer = self._ask(
            substation,
            method,
            f"/charge/{quote(inner, safe='')}{query}",
            min(timeout_s, max(MIN_TIMEOUT_S, end_s - time.monotonic())),
        )
        if answer is not None and answer.status == 404:
            self._known.forget(session_id, access.owner())
            raise not_found(f"session {session_id}")
        found = member_answers.session(name, answer.body) if answer is not None and answer.status == 200 else None
        if found is None:
            raise unavailable(name)
        if found["ended_at"] is not None:
            self._directory.note_end(session_id)  # its owner may have another one at once
        self._known.note(found, access.owner(), time.time())
        return found

    def _page_of(
        self, substation: Substation, limit: int, cursor: str, state: str | None, timeout_s: float
    ) -> tuple[list[dict[str, Any]], str | None] | None:
        query = {"limit": limit, **({"cursor": cursor} if cursor else {}), **({"state": state} if state else {})}
        answer = self._ask(substation, "GET", f"/charge?{urlencode(query)}", timeout_s)
        if answer is not None and (answer.status == 422 or (cursor and 400 <= answer.status < 500)):
            raise paging.wrong_cursor()  # whoever made it up must not make a healthy substation seem silent
        return (
            member_answers.page(substation.name, answer.body) if answer is not None and answer.status == 200 else None
        )

    def _ask(self, substation: Substation, method: str, path: str, timeout_s: float) -> Answer | None:
        sent = {STATUS: status_header.WANTED, **access.outgoing(), **tracing.outgoing()}
        try:
            answer = substation.client.request(
                method, path, timeout_s=timeout_s, headers=sent, max_answer_bytes=MAX_LIST_BYTES
            )
        except (NotSentError, OutcomeUnknownError):
            return None
        self._fleet.saw(substation, answer.headers.get(STATUS))
        return answer


class UnavailableError(ProblemError):
    """The substation of the session is away, or does not answer."""


def unavailable(name: str) -> UnavailableError:
    detail = f"{name}, where the session is, does not answer; the session is safe there. Try again later."
    return UnavailableError(503, "substation-unavailable", detail, headers=retry_after())
