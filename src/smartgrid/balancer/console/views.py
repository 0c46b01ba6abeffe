"""The console's routes: the page, its assets, and three small JSON answers that all viewers share."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from flask import Flask, Response, send_from_directory
from pydantic_core import to_json

from smartgrid.auth.scopes import GRID_READ
from smartgrid.balancer import member_answers
from smartgrid.balancer.console.cached import Cached, busy
from smartgrid.balancer.console.chargers import Chargers
from smartgrid.balancer.console.feed import feed
from smartgrid.balancer.console.history import COLUMNS, SAMPLE_INTERVAL_S, History, Sample, sample
from smartgrid.balancer.live_fleet import LiveFleet, Substation
from smartgrid.balancer.metrics import BalancerMetrics
from smartgrid.domain.session import SessionState
from smartgrid.http_client.answer import MAX_LIST_BYTES
from smartgrid.http_client.client import NotSentError, OutcomeUnknownError
from smartgrid.protocol import status_header, tracing
from smartgrid.protocol.headers import STATUS
from smartgrid.web.access import needs
from smartgrid.web.app import JSON
from smartgrid.web.problems import ProblemError, not_found

PAGE = Path(__file__).parent / "page"
FEED_LIFE_S = 0.2
SESSIONS_LIFE_S = 0.5
SESSIONS_TIMEOUT_S = 1.7
MAX_SESSIONS = 1000
MAX_OPEN = 64  # substations whose sessions someone looks at, remembered at once
MAX_ASKED = 2  # substations at once: each may hang, and takes a thread
PLUGGED_IN = (SessionState.SUSPENDED_EVSE, SessionState.CHARGING)
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Console:
    """The views, with what they need."""

    def __init__(
        self,
        name: str,
        fleet: LiveFleet,
        metrics: BalancerMetrics,
        max_view_age_s: float,
        chargers: Chargers | None = None,
    ) -> None:
        self._name, self._fleet, self._metrics, self._max_view_age_s = name, fleet, metrics, max_view_age_s
        self._chargers = chargers or Chargers(None)
        self.history = History(self._sample)
        self._feed = Cached(self._make_feed, FEED_LIFE_S)
        self._history = Cached(self._make_history, SAMPLE_INTERVAL_S / 2)
        self._sessions: dict[str, Cached] = {}
        self._lock = threading.Lock()
        self._asking = threading.BoundedSemaphore(MAX_ASKED)

    def install(self, app: Flask) -> None:
        """Add the routes."""
        is_open, reads = needs(), needs(GRID_READ)
        app.add_url_rule("/", "console", is_open(lambda: _asset("index.html")))
        app.add_url_rule("/console/<name>", "console_asset", is_open(_asset))
        app.add_url_rule("/console/feed", "console_feed", reads(lambda: _json(self._feed.get())))
        app.add_url_rule("/console/history", "console_history", reads(lambda: _json(self._history.get())))
        app.add_url_rule("/console/sessions/<name>", "console_sessions", self.sessions)
        app.add_url_rule("/console/chargers/<name>", "console_chargers", self.chargers)

    @needs(GRID_READ)
    def sessions(self, name: str) -> Response:
        """The sessions of one substation that have not ended: those without power first, then the newest first; and
        those that wait, the next first.

        A problem: 404 for a name that is not in the fleet, 503 where it does not answer.
        """
        if self._fleet.substation(name) is None:
            raise not_found(f"substation {name}")
        with self._lock:
            if name not in self._sessions and len(self._sessions) >= MAX_OPEN:
                self._sessions.clear()
            cached = self._sessions.setdefault(name, Cached(lambda: self._make_sessions(name), SESSIONS_LIFE_S))
        return _json(cached.get())

    @needs(GRID_READ)
    def chargers(self, name: str) -> Response:
        """The chargers of one substation, a row for each connector. A problem: 404 for a name that is not in the
        fleet, or without an edge, 503 where the edge does not answer."""
        if self._fleet.substation(name) is None:
            raise not_found(f"substation {name}")
        return _json(self._chargers.get(name))

    def _make_feed(self) -> bytes:
        admitted, rejected = self._counts()
        found = feed(
            self._name,
            self._fleet.seen(),
            admitted=admitted,
            rejected=rejected,
            now_s=time.monotonic(),
            max_age_s=self._max_view_age_s,
            has_edge=self._chargers.has_edge,
        )
        return to_json(found)

    def _make_history(self) -> bytes:
        return to_json({"interval_s": SAMPLE_INTERVAL_S, "columns": COLUMNS, "samples": self.history.samples()})

    def _make_sessions(self, name: str) -> bytes:
        substation = self._fleet.substation(name)
        if substation is None:
            raise not_found(f"substation {name}")
        if not self._fleet.is_in_rotation(name):
            raise _silent(name)
        if not self._asking.acquire(blocking=False):
            raise busy()
        try:
            end_s = time.monotonic() + SESSIONS_TIMEOUT_S
            pages = [self._page(substation, state, end_s) for state in PLUGGED_IN]
            waiting = self._page(substation, SessionState.WAITING, end_s)
        finally:
            self._asking.release()
        found = {
            "sessions": [session for sessions, _ in pages for session in sessions],
            "waiting": sorted(waiting[0], key=_position),
            "more": any(next_cursor for _, next_cursor in (*pages, waiting)),
        }
        return to_json(found)

    def _page(
        self, substation: Substation, state: SessionState, end_s: float
    ) -> tuple[list[dict[str, Any]], str | None]:
        path = f"/charge?state={state}&limit={MAX_SESSIONS}"
        sent = {STATUS: status_header.WANTED, **tracing.outgoing()}
        try:
            answer = substation.client.request(
                "GET", path, timeout_s=end_s - time.monotonic(), headers=sent, max_answer_bytes=MAX_LIST_BYTES
            )
        except (NotSentError, OutcomeUnknownError) as error:
            raise _silent(substation.name) from error
        found = member_answers.page(substation.name, answer.body) if answer.status == 200 else None
        if found is None:
            raise _silent(substation.name)
        self._fleet.saw(substation, answer.headers.get(STATUS))
        return found

    def _sample(self) -> Sample:
        return sample(self._fleet.totals(), *self._counts())

    def _counts(self) -> tuple[int, int]:
        """Cars placed, to charge or to wait, and rejected since the process started."""
        return self._metrics.count("admitted") + self._metrics.count("waiting"), self._metrics.count("rejected")


def _position(session: dict[str, Any]) -> int:
    """Its place in the list; one that has just begun to charge has none any more."""
    position = session.get("position")
    return position if isinstance(position, int) else 0


def _asset(name: str) -> Response:
    response = send_from_directory(PAGE, name)
    response.headers.update(HEADERS)
    response.direct_passthrough = False  # the server takes the bytes, not a file
    return response


def _json(body: bytes) -> Response:
    return Response(body, headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}, content_type=JSON)


def _silent(name: str) -> ProblemError:
    return ProblemError(503, "substation-unavailable", f"{name} does not answer.")
