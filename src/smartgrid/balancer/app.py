"""The balancer's HTTP interface."""

from __future__ import annotations

import logging
import sqlite3
import time
from typing import Any
from urllib.parse import unquote

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry

from smartgrid.balancer.console.views import Console
from smartgrid.balancer.grid import Grid, Seen
from smartgrid.balancer.lookup import Found, Lookup
from smartgrid.balancer.metrics import BalancerMetrics
from smartgrid.balancer.models import FleetBody, FleetStatusBody, SubstationBody
from smartgrid.balancer.registrations import Registrations
from smartgrid.balancer.roster import Roster
from smartgrid.balancer.router import FaultyError, NoPlaceError, Placed, Router, SilentError, with_name
from smartgrid.balancer.sessions import Sessions, unavailable
from smartgrid.domain.session import SessionState
from smartgrid.domain.status import Status
from smartgrid.protocol import status_header
from smartgrid.protocol.headers import STATUS, UNREACHABLE
from smartgrid.protocol.models import ChargeBody, RegistrationBody, SessionBody, SessionPage
from smartgrid.runtime import logs
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.web import charge_views
from smartgrid.web.app import (
    FIRST_ATTEMPT,
    KEY_HEADER,
    answer,
    attempt_number,
    create_app,
    finish_app,
    idempotency_key,
    page_limit,
    query_choice,
    read_body,
)
from smartgrid.web.keys_under_way import KeyBusyError
from smartgrid.web.long_polls import LongPolls
from smartgrid.web.openapi import operation
from smartgrid.web.problems import MEDIA_TYPE, ProblemError, retry_after

LOOKUP_TIMEOUT_S = 0.8
log = logging.getLogger(__name__)


class Api:
    """The views, with what they need."""

    def __init__(
        self,
        name: str,
        *,
        grid: Grid,
        roster: Roster,
        router: Router,
        lookup: Lookup,
        registrations: Registrations,
        metrics: BalancerMetrics,
        max_waits: int,
    ) -> None:
        """At most `max_waits` long polls are held at once."""
        self.name, self.grid, self.roster, self.router, self.lookup = name, grid, roster, router, lookup
        self.registrations, self.metrics, self.sessions = registrations, metrics, Sessions(grid)
        self._polls = LongPolls(max_waits)

    @operation(
        "Charge a car on the best substation",
        body=ChargeBody,
        answers={201: SessionBody},
        problems=(400, 409, 413, 415, 422, 503, 504),
        headers=KEY_HEADER,
    )
    def charge(self) -> Response:
        body, key, begun_s = read_body(ChargeBody), idempotency_key(), time.monotonic()
        try:
            placed = self.router.place(
                request.get_data(),
                body.power,
                key,
                first_attempt=request.headers.get(FIRST_ATTEMPT) == "true",
                attempt=attempt_number(),
            )
        except NoPlaceError as error:
            raise self._no_place(error.attempts) from error
        except KeyBusyError as error:
            self.metrics.requests.labels("failed").inc()
            raise ProblemError(
                409,
                "request-in-progress",
                "A request with this Idempotency-Key is under way.",
                headers={"Retry-After": "1"},
            ) from error
        except FaultyError as error:
            self.metrics.requests.labels("failed").inc()
            return _passed_on(error)
        except SilentError as error:
            self.metrics.requests.labels("failed").inc()
            raise unavailable(error.substation) from error
        except sqlite3.Error as error:
            self.metrics.requests.labels("failed").inc()
            log.error("cannot note an unknown outcome: %s", error)
            raise _not_noted() from error
        self.metrics.decision_s.observe(time.monotonic() - begun_s)
        self._count(placed, body.vehicle_id)
        return answer(placed.session, 201)

    @operation(
        "List sessions, substation by substation, newest first within each",
        answers={200: SessionPage},
        problems=(422,),
        query=charge_views.LIST_QUERY,
    )
    def list_sessions(self) -> Response:
        if (key := charge_views.key_to_find()) is not None:
            return _page_of(self.lookup.find(key, LOOKUP_TIMEOUT_S).found)
        state = query_choice("state", SessionState)
        page = self.sessions.page(page_limit(), request.args.get("cursor"), state)
        headers = {UNREACHABLE: ", ".join(page.unreachable)} if page.unreachable else None
        return answer({"sessions": page.sessions, "next_cursor": page.next_cursor}, headers=headers)

    @operation("One session", answers={200: SessionBody}, problems=(404, 503))
    def session(self, session_id: str) -> Response:
        return answer(self.sessions.call("GET", session_id))

    @operation("Stop a session", answers={200: SessionBody}, problems=(404, 503))
    def stop(self, session_id: str) -> Response:
        return answer(self.sessions.call("DELETE", session_id))

    @charge_views.void_operation(422)
    def void(self) -> Response:
        key, before = charge_views.key_to_void()
        return _page_of(self.lookup.void(key, LOOKUP_TIMEOUT_S, before))

    @operation(
        "State of the whole fleet", answers={200: FleetStatusBody}, problems=(422,), query=charge_views.STATUS_QUERY
    )
    def status(self) -> Response:
        since, wait_s = charge_views.wait_wanted()
        found = self.grid.totals() if since is None else self._wait_for_change(since, wait_s)
        return answer({**status_header.wire_status(self.name, found), "substations": self.grid.size()})

    @operation("The fleet", answers={200: FleetBody})
    def substations(self) -> Response:
        now_s = time.monotonic()
        return answer({"substations": [_substation(seen, now_s) for seen in self.grid.seen()]})

    @operation(
        "Register a substation, or a balancer of a region",
        body=RegistrationBody,
        answers={201: SubstationBody, 200: SubstationBody},
        problems=(400, 403, 409, 413, 415, 422),
    )
    def register(self) -> Response:
        body = read_body(RegistrationBody)
        member, is_new = self.registrations.add(self.roster, body.url, body.name)
        log.info("registered", extra={"substation": member.name})
        return answer(self._shown(member.name), 201 if is_new else 200)

    @operation("Remove a registered substation", answers={200: SubstationBody}, problems=(404, 409, 422))
    def unregister(self, url: str) -> Response:
        shown = {seen.member.url: seen for seen in self.grid.seen()}
        member = self.registrations.remove(self.roster, unquote(url))
        log.info("removed", extra={"substation": member.name})
        return answer(_substation(shown[member.url], time.monotonic()) if member.url in shown else None)

    def add_status(self, response: Response) -> Response:
        """Every answer about sessions carries the fresh status, as a substation's does."""
        if request.path.startswith(("/charge", "/status")):
            totals = self.grid.totals()
            response.headers[STATUS] = status_header.encode(self.name, totals, _in_s(totals))
        return response

    def _wait_for_change(self, since: int, wait_s: int) -> Status:
        return self._polls.answer(lambda: self.grid.wait_for_change(since, wait_s), self.grid.totals)

    def _shown(self, name: str) -> dict[str, Any] | None:
        now_s = time.monotonic()
        return next((_substation(seen, now_s) for seen in self.grid.seen() if seen.member.name == name), None)

    def _count(self, placed: Placed, vehicle_id: str) -> None:
        self.metrics.requests.labels("replayed" if placed.replayed else "admitted").inc()
        if not placed.replayed:
            self.metrics.decisions.count(placed.substation)
        log.info(
            "placed",
            extra={"vehicle": logs.vehicle(vehicle_id), "substation": placed.substation, "attempts": placed.attempts},
        )

    def _no_place(self, attempts: int) -> ProblemError:
        out, size = self.grid.out_of_rotation(), self.grid.size()
        down = f" {out} of {size} substations do not answer." if out else ""
        nobody = "There is no substation yet." if not size else "No substation can take the car now."
        reason = "no-substation" if out == size else "no-capacity"
        self.metrics.requests.labels("rejected").inc()
        self.metrics.rejections.labels(reason).inc()
        log.info("rejected", extra={"reason": reason, "attempts": attempts})
        return ProblemError(503, "no-capacity", nobody + down, headers=retry_after(_in_s(self.grid.totals())))


def _page_of(found: Found | None) -> Response:
    return (
        charge_views.page_of_key(with_name(found.session, found.name), found.attempt)
        if found
        else charge_views.page_of_key(None)
    )


def _passed_on(error: FaultyError) -> Response:
    retry = error.answer.headers.get("Retry-After")
    headers = {"Retry-After": retry} if retry else None
    return Response(error.answer.body, error.answer.status, headers, content_type=MEDIA_TYPE)


def _not_noted() -> ProblemError:
    """The car must not go on to another substation without a note to void the attempt."""
    detail = "A substation did not answer and the balancer's disk takes no note of it; repeat with the same key."
    return ProblemError(504, "outcome-unknown", detail, headers={"Retry-After": "1"})


def _in_s(status: Status) -> float | None:
    return None if status.next_release_s is None else max(0.0, status.next_release_s - time.monotonic())


def _substation(seen: Seen, now_s: float) -> dict[str, Any]:
    status, view = seen.view.status, seen.view
    age_s = None if view.updated_at_s is None else round(now_s - view.updated_at_s, 3)
    known = status_header.wire_status(seen.member.name, status) if status else _UNKNOWN
    return {**known, "name": seen.member.name, "url": seen.member.url, "in_rotation": seen.in_rotation, "age_s": age_s}


_UNKNOWN = dict.fromkeys(
    ("state", "capacity_kw", "load_kw", "load_percentage", "committed_kw", "demand_kw", "active_sessions", "revision")
)


def make_app(api: Api, lifecycle: Lifecycle, registry: CollectorRegistry, console: Console) -> Flask:
    """The WSGI application."""
    app = create_app("balancer", lifecycle, registry)
    app.url_map.merge_slashes = False  # the URL of a substation may come decoded
    app.post("/charge")(api.charge)
    app.get("/charge")(api.list_sessions)
    app.delete("/charge")(api.void)
    app.add_url_rule("/charge/<session_id>", view_func=api.session, methods=["GET"])
    app.add_url_rule("/charge/<session_id>", view_func=api.stop, methods=["DELETE"])
    app.get("/status")(api.status)
    app.get("/substations")(api.substations)
    app.post("/substations")(api.register)
    app.delete("/substations/<path:url>")(api.unregister)
    console.install(app)
    app.after_request(api.add_status)
    return finish_app(app, "Smart grid: balancer")
