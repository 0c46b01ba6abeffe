"""The gateway's HTTP interface."""

from __future__ import annotations

import logging
import secrets
import time
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry
from pydantic_core import from_json

from smartgrid.auth.scopes import CHARGE_READ, CHARGE_WRITE, GRID_OPERATE, GRID_READ
from smartgrid.domain.session import SessionState
from smartgrid.gateway.followers import Followers
from smartgrid.gateway.long_poll import poll
from smartgrid.gateway.metrics import GatewayMetrics
from smartgrid.gateway.models import FleetSummary, GatewayStatus, SubstationSummary
from smartgrid.gateway.preferences import APPLIED, PREFER, RESPOND_ASYNC, wants_async
from smartgrid.gateway.rate_limits import RateLimits
from smartgrid.gateway.session_answer import session_of
from smartgrid.gateway.session_events import SessionEvents, event_id, has_ended
from smartgrid.gateway.upstream import Balancer
from smartgrid.http_client.answer import Answer
from smartgrid.http_server.wsgi import STREAM
from smartgrid.protocol import tracing
from smartgrid.protocol.headers import KEY, REPLAYED, UNREACHABLE
from smartgrid.protocol.models import ChargeBody, SessionBody, SessionPage
from smartgrid.runtime import logs
from smartgrid.runtime.audit import Audit
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.web import access, auditing, charge_views, parameters
from smartgrid.web.access import Guard
from smartgrid.web.app import (
    JSON,
    KEY_HEADER,
    PAGE_QUERY,
    answer,
    create_app,
    finish_app,
    idempotency_key,
    page_limit,
    query_choice,
    read_body,
)
from smartgrid.web.auditing import audited
from smartgrid.web.charger_views import Chargers, ChargerViews
from smartgrid.web.long_polls import LongPolls
from smartgrid.web.openapi import operation
from smartgrid.web.problems import MEDIA_TYPE, ProblemError
from smartgrid.web.routes import add_routes, route

_SUMMARY = tuple(SubstationSummary.model_fields)
PASSED_ON = ("Retry-After", UNREACHABLE, REPLAYED, "Age")
PLACED = (201, 202)
"""Charging, or waiting at a substation that will start it."""
EVENT_STREAM, LAST_EVENT = "text/event-stream", "Last-Event-ID"
RETRY_MS = (2000, 4000)
"""Within this, browsers come back after a stream has ended: those of a gateway that stops, not all at once."""
EVENTS_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""nginx, as an ingress, would collect events until a buffer is full."""
PREFER_HEADER = {PREFER: parameters.Parameter("`respond-async`: as `wait` in the body (RFC 7240).", {"type": "string"})}
LAST_EVENT_HEADER = {
    LAST_EVENT: parameters.Parameter("The id of the last event, as browsers send it.", {"type": "string"})
}
log = logging.getLogger(__name__)


class Api:
    """The views, with what they need."""

    def __init__(
        self, balancer: Balancer, metrics: GatewayMetrics, polls: LongPolls, followers: Followers, lifecycle: Lifecycle
    ) -> None:
        self.balancer, self.metrics = balancer, metrics
        self._polls, self._followers, self._lifecycle = polls, followers, lifecycle
        self._retry_ms = Random()  # not the module's: its lock would be everyone's
        self._started_s = time.monotonic()

    @route("POST", "/charge")
    @operation(
        "Charge a car",
        body=ChargeBody,
        answers={201: SessionBody, 202: SessionBody},
        problems=(400, 403, 409, 413, 415, 422, 429, 503, 504),
        headers={**KEY_HEADER, **PREFER_HEADER},
        needs=(CHARGE_WRITE,),
    )
    @audited("charge")
    def charge(self) -> Response:
        try:
            body, key = read_body(ChargeBody), idempotency_key() or secrets.token_hex(16)
            prefers = wants_async(request.headers.get(PREFER)) and "wait" not in body.model_fields_set
            response = self._place((body.model_copy(update={"wait": True}) if prefers else body).filled_in(), key)
            if prefers and response.status_code == 202:
                response.headers[APPLIED] = RESPOND_ASYNC
        except Exception:
            self.metrics.requests.labels("failed").inc()
            raise
        log.info("charge", extra={"vehicle": logs.vehicle(body.vehicle_id), "status": response.status_code})
        return response

    @route("GET", "/sessions")
    @operation(
        "List sessions",
        answers={200: SessionPage},
        problems=(422, 429, 503),
        query=PAGE_QUERY,
        needs=(CHARGE_READ, GRID_READ),
    )
    def sessions(self) -> Response:
        state, cursor = query_choice("state", SessionState), request.args.get("cursor")
        query = {"limit": page_limit(), **({"state": state} if state else {}), **({"cursor": cursor} if cursor else {})}
        return _passed_on(self.balancer.call("GET", f"/charge?{urlencode(query)}"))

    @route("GET", "/sessions/<session_id>")
    @operation(
        "One session; with `wait_s` once its state is another",
        answers={200: SessionBody},
        problems=(404, 422, 429, 503),
        query=charge_views.WAIT_QUERY,
        needs=(CHARGE_READ, GRID_READ),
    )
    def session(self, session_id: str) -> Response:
        path, asked = _path(session_id), charge_views.wait_query()

        def at_once() -> Answer:
            return self.balancer.call("GET", path)

        def later() -> Answer:
            return poll(
                lambda slice_s: self.balancer.call(
                    "GET", f"{path}?wait_s={slice_s}&{charge_views.WHILE}={asked.known}", wait_s=slice_s
                ),
                asked,
                lambda: self._lifecycle.ending,
            )

        return _passed_on(self._polls.answer(later, at_once) if asked.wait_s else at_once())

    @route("GET", "/sessions/<session_id>/events")
    @operation(
        "A session as server-sent events: now, and whenever its state, position or expected start changes",
        answers={200: EVENT_STREAM, 204: None},
        problems=(404, 429, 503),
        headers=LAST_EVENT_HEADER,
        needs=(CHARGE_READ, GRID_READ),
    )
    def events(self, session_id: str) -> Response:
        if not self._followers.has_room:
            detail = "Too many follow sessions here just now. Try again, or ask with wait_s."
            raise ProblemError(503, "overloaded", detail, headers={"Retry-After": "5"})
        path = _path(session_id)
        found = self.balancer.call("GET", path)
        if found.status != 200:
            return _passed_on(found)
        session = _session(found)
        if has_ended(session) and request.headers.get(LAST_EVENT) == event_id(session):
            return Response(status=204)  # so that a browser does not connect again and again
        events = SessionEvents(session, time.monotonic())
        if not events.is_complete:
            headers = {**access.outgoing(), **tracing.unsampled()}
            whose = access.owner() or ""
            request.environ[STREAM] = lambda stream: self._followers.add(path, headers, whose, stream, events)
        first = events.first(self._retry_ms.randint(*RETRY_MS))
        return Response(first, headers=EVENTS_HEADERS, content_type=EVENT_STREAM)

    @route("DELETE", "/sessions/<session_id>")
    @operation(
        "Stop a session; stopping twice gives the same record",
        answers={200: SessionBody},
        problems=(404, 429, 503),
        needs=(CHARGE_WRITE, GRID_OPERATE),
    )
    @audited("stop")
    def stop(self, session_id: str) -> Response:
        return _passed_on(self.balancer.call("DELETE", _path(session_id)))

    @route("GET", "/substations")
    @operation(
        "The substations and their loads, without their addresses",
        answers={200: FleetSummary},
        problems=(429, 503),
        needs=(GRID_READ,),
    )
    def substations(self) -> Response:
        found = self.balancer.call("GET", "/substations")
        if found.status != 200:
            return _passed_on(found)
        try:
            rows = from_json(found.body)["substations"]
            return answer({"substations": [{name: row[name] for name in _SUMMARY} for row in rows]})
        except (ValueError, KeyError, TypeError) as error:
            detail = "The balancer's list of substations cannot be read."
            raise ProblemError(502, "bad-upstream", detail, headers={"Retry-After": "1"}) from error

    @route("GET", "/status")
    @operation("State of the gateway", answers={200: GatewayStatus}, problems=(429,), needs=(GRID_READ,))
    def status(self) -> Response:
        grid = self.balancer.status()
        return answer(
            {
                "name": "gateway",
                "uptime_s": round(time.monotonic() - self._started_s, 3),
                "balancer_reachable": grid is not None,
                "charge_requests": self.metrics.counts(),
                "active_sessions": grid.active_sessions if grid else None,
            }
        )

    def _place(self, body: bytes, key: str) -> Response:
        try:
            found = self.balancer.charge(body, key)
            response = _passed_on(found)
            if found.status in PLACED:
                session_id = str(_placed(found)["session_id"])
                response.headers["Location"] = f"/sessions/{quote(session_id, safe='')}"
                auditing.note(session_id=session_id)
            elif found.status >= 500:
                response.headers[KEY] = key
        except ProblemError as problem:
            problem.headers[KEY] = key
            raise
        replayed = REPLAYED in found.headers
        self.metrics.requests.labels("replayed" if replayed else _RESULTS.get(found.status, "failed")).inc()
        return response

    def count_problem(self, response: Response) -> Response:
        """Count an answer that is a problem, also one passed on from the balancer, by its code."""
        if response.content_type == MEDIA_TYPE:
            self.metrics.failed(_code(response.get_data()))
        return response


_RESULTS = {201: "admitted", 202: "waiting", 429: "rejected", 503: "rejected"}


def _path(session_id: str) -> str:
    """Of a session, at the balancer."""
    return f"/charge/{quote(session_id, safe='')}"


def _placed(found: Answer) -> dict[str, Any]:
    """Raises a problem (504) for an answer that says that the car is placed and does not say where."""
    session = session_of(found)
    if session is None:
        detail = "The balancer's answer cannot be read; the car may have been admitted. Repeat with the same key."
        raise ProblemError(504, "outcome-unknown", detail, headers={"Retry-After": "1"})
    return session


def _session(found: Answer) -> dict[str, Any]:
    """Raises a problem (502) for an answer that has no session where it should."""
    session = session_of(found)
    if session is None:
        detail = "The balancer's answer cannot be read."
        raise ProblemError(502, "bad-upstream", detail, headers={"Retry-After": "1"})
    return session


def _code(problem: bytes) -> str:
    """The code of a problem; "none" where there is none, as in the answer of something that is no balancer."""
    try:
        return str(from_json(problem)["code"])
    except (ValueError, KeyError, TypeError):
        return "none"


def _passed_on(found: Answer) -> Response:
    """The balancer's answer as the gateway's. Raises a problem (502) if it is not a balancer's at all."""
    if found.status >= 300 and found.headers.get("Content-Type") != MEDIA_TYPE:
        detail = f"The balancer URL does not lead to a balancer: it answered {found.status} without a problem document."
        raise ProblemError(502, "bad-upstream", detail, headers={"Retry-After": "1"})
    headers = {name: value for name in PASSED_ON if (value := found.headers.get(name)) is not None}
    return Response(found.body, found.status, headers, content_type=JSON if found.status < 400 else MEDIA_TYPE)


def make_app(
    api: Api,
    chargers: Chargers,
    lifecycle: Lifecycle,
    registry: CollectorRegistry,
    guard: Guard | None = None,
    limits: RateLimits | None = None,
    audit: Audit | None = None,
) -> Flask:
    """The WSGI application."""
    guard = guard or Guard()
    app = create_app("gateway", lifecycle, registry)
    api.metrics.install(app)
    add_routes(app, api)
    add_routes(app, ChargerViews(chargers))
    app.after_request(api.count_problem)
    finish_app(app, "Smart grid: gateway", guard)
    if limits is not None:
        limits.install(app, guard)
    if audit is not None:
        auditing.install(app, guard, audit)
    return app
