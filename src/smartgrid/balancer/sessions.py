"""Sessions of all substations: one by its id, and all of them page by page."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from pydantic_core import from_json

from smartgrid.balancer.grid import Entry, Grid
from smartgrid.balancer.router import ID_SEPARATOR, with_name
from smartgrid.http_client.answer import MAX_LIST_BYTES, Answer
from smartgrid.http_client.client import NotSentError, OutcomeUnknownError
from smartgrid.protocol import tracing
from smartgrid.protocol.headers import STATUS
from smartgrid.web import paging
from smartgrid.web.problems import ProblemError, not_found, retry_after

TIMEOUT_S = 1.7
SILENT_TIMEOUT_S = 0.2  # for one that has not answered lately: time to notice that it is back
AFTER = " "  # sorts before all that a name can go on with: cursors say which names are done


@dataclass(frozen=True, slots=True)
class Page:
    """`unreachable` names the substations whose sessions are missing from it."""

    sessions: list[dict[str, Any]]
    next_cursor: str | None
    unreachable: list[str]


class Sessions:
    """The substations hold the sessions; the id says which one to ask."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid

    def call(self, method: str, session_id: str) -> dict[str, Any]:
        """GET or DELETE one session. Raises a problem: 404, or 503 while its substation does not answer."""
        name, _, inner = session_id.partition(ID_SEPARATOR)
        entry = self._grid.entry(name)
        if entry is None or not inner:
            if inner and self._grid.has_departed(name):
                raise unavailable(name)
            raise not_found(f"session {session_id}")
        answer = self._ask(entry, method, f"/charge/{quote(inner, safe='')}")
        if answer is None:
            raise unavailable(name)
        if answer.status == 404:
            raise not_found(f"session {session_id}")
        if answer.status != 200:
            raise unavailable(name)
        return with_name(from_json(answer.body), name)

    def page(self, limit: int, cursor: str | None, state: str | None) -> Page:
        """Up to `limit` sessions, substation by substation in the order of their names, newest first within each.

        However many do not answer, it takes no longer than one may: the cursor says where to go on.
        """
        end_s = time.monotonic() + TIMEOUT_S
        after, inner = paging.decode(cursor, str, str) if cursor else ("", "")
        sessions: list[dict[str, Any]] = []
        unreachable: list[str] = []
        for entry in self._grid.entries():
            name = entry.member.name
            if name < after:
                continue
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                return Page(sessions, paging.encode([name, inner if name == after else ""]), unreachable)
            timeout_s = left_s if entry.health.in_rotation else min(left_s, SILENT_TIMEOUT_S)
            found = self._page_of(entry, limit - len(sessions), inner if name == after else "", state, timeout_s)
            if found is None:
                unreachable.append(name)
                continue
            sessions += [with_name(session, name) for session in found["sessions"]]
            if found["next_cursor"] is not None:
                return Page(sessions, paging.encode([name, found["next_cursor"]]), unreachable)
            if len(sessions) >= limit:
                return Page(sessions, paging.encode([name + AFTER, ""]), unreachable)
        return Page(sessions, None, unreachable)

    def _page_of(
        self, entry: Entry, limit: int, cursor: str, state: str | None, timeout_s: float
    ) -> dict[str, Any] | None:
        query = {"limit": limit, **({"cursor": cursor} if cursor else {}), **({"state": state} if state else {})}
        answer = self._ask(entry, "GET", f"/charge?{urlencode(query)}", timeout_s)
        return dict(from_json(answer.body)) if answer is not None and answer.status == 200 else None

    def _ask(self, entry: Entry, method: str, path: str, timeout_s: float = TIMEOUT_S) -> Answer | None:
        try:
            answer = entry.client.request(
                method, path, timeout_s=timeout_s, headers=tracing.outgoing(), max_answer_bytes=MAX_LIST_BYTES
            )
        except (NotSentError, OutcomeUnknownError):
            return None
        self._grid.saw(entry, answer.headers.get(STATUS))
        return answer


def unavailable(name: str) -> ProblemError:
    detail = f"{name}, where the session is, does not answer; the session is safe there. Try again later."
    return ProblemError(503, "substation-unavailable", detail, headers=retry_after())
