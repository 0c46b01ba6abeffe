"""Sessions, wherever they are: one, all page by page, and their end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Response, request

from smartgrid.auth.scopes import CHARGE_READ, CHARGE_WRITE, GRID_OPERATE, GRID_READ
from smartgrid.balancer.last_known import AS_OF
from smartgrid.balancer.sessions import Sessions
from smartgrid.domain.session import SessionState
from smartgrid.protocol.headers import UNREACHABLE
from smartgrid.protocol.models import SessionBody, SessionPage
from smartgrid.web import charge_views, deadlines
from smartgrid.web.app import PAGE_QUERY, answer, page_limit, query_choice
from smartgrid.web.auditing import audited
from smartgrid.web.long_polls import LongPolls
from smartgrid.web.openapi import operation
from smartgrid.web.routes import route

MAX_UNREACHABLE_LENGTH = 2000  # of the header's value: proxies refuse answers whose headers are too long


@dataclass(frozen=True, slots=True)
class SessionViews:
    """With what they need."""

    sessions: Sessions
    polls: LongPolls

    @route("GET", "/charge")
    @operation(
        "List sessions, substation by substation, newest first within each",
        answers={200: SessionPage},
        problems=(422,),
        query=PAGE_QUERY,
        headers=charge_views.OWNER_HEADER,
        needs=(CHARGE_READ, GRID_READ),
    )
    def list_sessions(self) -> Response:
        state = query_choice("state", SessionState)
        page = self.sessions.page(page_limit(), request.args.get("cursor"), state, deadlines.work_end_s())
        sent = {UNREACHABLE: listed(page.unreachable)} if page.unreachable else None
        return answer({"sessions": page.sessions, "next_cursor": page.next_cursor}, headers=sent)

    @route("GET", "/charge/<session_id>")
    @operation(
        "One session; with `wait_s` once its state is another; with `as_of` as last known, if its substation is away",
        answers={200: SessionBody},
        problems=(404, 422, 503),
        query=charge_views.WAIT_QUERY,
        headers=charge_views.OWNER_HEADER,
        needs=(CHARGE_READ, GRID_READ),
    )
    def session(self, session_id: str) -> Response:
        asked, end_s = charge_views.wait_query(), deadlines.work_end_s()

        def at_once() -> dict[str, Any]:
            return self.sessions.get(session_id, end_s)

        def later() -> dict[str, Any]:
            return self.sessions.wait(session_id, asked, end_s)

        found = self.polls.answer(later, at_once) if asked.wait_s else at_once()
        return answer(found, headers=age(found.get(AS_OF), time.time()))

    @route("DELETE", "/charge/<session_id>")
    @operation(
        "Stop a session, or end it as superseded by another one of its key",
        answers={200: SessionBody},
        problems=(404, 422, 503),
        query=charge_views.SUPERSEDE_QUERY,
        headers=charge_views.OWNER_HEADER,
        needs=(CHARGE_WRITE, GRID_OPERATE),
    )
    @audited("stop")
    def stop(self, session_id: str) -> Response:
        return answer(self.sessions.stop(session_id, charge_views.superseding_wanted(), deadlines.work_end_s()))


def age(as_of: str | None, now_s: float) -> dict[str, str] | None:
    """The header that HTTP has for an answer that is not fresh (RFC 9111): how many seconds old it is."""
    try:
        return {"Age": str(max(0, int(now_s - datetime.fromisoformat(as_of).timestamp())))} if as_of else None
    except ValueError:  # a region's, which is passed on as it is
        return None


def listed(names: list[str]) -> str:
    """As the header's value; where they are too many, the first of them and how many more."""
    shown = 0
    length = 0
    while shown < len(names) and length + len(names[shown]) + 2 <= MAX_UNREACHABLE_LENGTH:
        length += len(names[shown]) + 2
        shown += 1
    more = [f"and {len(names) - shown} more"] if shown < len(names) else []
    return ", ".join([*names[:shown], *more])
