"""The gateway's HTTP interface."""

from __future__ import annotations

import logging
import secrets
import time
from urllib.parse import quote, urlencode

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry
from pydantic_core import from_json

from smartgrid.auth.scopes import CHARGE_READ, CHARGE_WRITE, GRID_OPERATE, GRID_READ
from smartgrid.domain.session import SessionState
from smartgrid.gateway.metrics import GatewayMetrics
from smartgrid.gateway.models import FleetSummary, GatewayStatus, SubstationSummary
from smartgrid.gateway.rate_limits import RateLimits
from smartgrid.gateway.upstream import Balancer
from smartgrid.http_client.answer import Answer
from smartgrid.protocol.headers import KEY, REPLAYED, UNREACHABLE
from smartgrid.protocol.models import ChargeBody, SessionBody, SessionPage
from smartgrid.runtime import logs
from smartgrid.runtime.audit import Audit
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.web import auditing
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
from smartgrid.web.openapi import operation
from smartgrid.web.problems import MEDIA_TYPE, ProblemError
from smartgrid.web.routes import add_routes, route

_SUMMARY = tuple(SubstationSummary.model_fields)
PASSED_ON = ("Retry-After", UNREACHABLE, REPLAYED)
log = logging.getLogger(__name__)


class Api:
    """The views, with what they need."""

    def __init__(self, balancer: Balancer, metrics: GatewayMetrics) -> None:
        self.balancer, self.metrics = balancer, metrics
        self._started_s = time.monotonic()

    @route("POST", "/charge")
    @operation(
        "Charge a car",
        body=ChargeBody,
        answers={201: SessionBody},
        problems=(400, 409, 413, 415, 422, 429, 503, 504),
        headers=KEY_HEADER,
        needs=(CHARGE_WRITE,),
    )
    @audited("charge")
    def charge(self) -> Response:
        try:
            body, key = read_body(ChargeBody), idempotency_key() or secrets.token_hex(16)
            response = self._place(body.filled_in(), key)
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
    @operation("One session", answers={200: SessionBody}, problems=(404, 429, 503), needs=(CHARGE_READ, GRID_READ))
    def session(self, session_id: str) -> Response:
        return _passed_on(self.balancer.call("GET", f"/charge/{quote(session_id, safe='')}"))

    @route("DELETE", "/sessions/<session_id>")
    @operation(
        "Stop a session; stopping twice gives the same record",
        answers={200: SessionBody},
        problems=(404, 429, 503),
        needs=(CHARGE_WRITE, GRID_OPERATE),
    )
    @audited("stop")
    def stop(self, session_id: str) -> Response:
        return _passed_on(self.balancer.call("DELETE", f"/charge/{quote(session_id, safe='')}"))

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
            if found.status == 201:
                session_id = _session_id(found.body)
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


_RESULTS = {201: "admitted", 429: "rejected", 503: "rejected"}


def _session_id(session: bytes) -> str:
    """Raises a problem (504) for an answer that says that the car is placed and does not say where."""
    try:
        return str(from_json(session)["session_id"])
    except (ValueError, KeyError, TypeError) as error:
        detail = "The balancer's answer cannot be read; the car may have been admitted. Repeat with the same key."
        raise ProblemError(504, "outcome-unknown", detail, headers={"Retry-After": "1"}) from error


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
    app.after_request(api.count_problem)
    finish_app(app, "Smart grid: gateway", guard)
    if limits is not None:
        limits.install(app, guard)
    if audit is not None:
        auditing.install(app, guard, audit)
    return app
