"""The substation's HTTP interface."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry

from smartgrid.auth.scopes import CHARGE_READ, CHARGE_WRITE, GRID_OPERATE, GRID_READ, GRID_SERVICE
from smartgrid.domain.request import ChargeRequest
from smartgrid.domain.session import SessionState
from smartgrid.domain.status import Status
from smartgrid.protocol import keys, status_header
from smartgrid.protocol.fingerprint import fingerprint
from smartgrid.protocol.headers import REPLAYED, STATUS
from smartgrid.protocol.models import (
    CapacityBody,
    ChargeBody,
    DrainingBody,
    ForecastBody,
    SessionBody,
    SessionPage,
    StatusBody,
    WaitingPage,
)
from smartgrid.protocol.offers import PluggedChargeBody
from smartgrid.runtime import logs
from smartgrid.runtime.audit import Audit
from smartgrid.runtime.clock import GridClock
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.substation.charger_ledger import ChargerLedger
from smartgrid.substation.ledger import Told
from smartgrid.substation.metrics import SubstationMetrics
from smartgrid.substation.offers_views import OffersViews, key_of_plug, to_plug_in
from smartgrid.substation.record import Record, to_waiting, to_wire
from smartgrid.substation.refusals import LedgerError
from smartgrid.web import access, auditing, charge_views, deadlines
from smartgrid.web.access import Guard
from smartgrid.web.app import (
    KEY_HEADER,
    PAGE_QUERY,
    answer,
    create_app,
    finish_app,
    idempotency_key,
    page_limit,
    query_choice,
    query_int,
    read_body,
)
from smartgrid.web.auditing import audited
from smartgrid.web.long_polls import LongPolls
from smartgrid.web.openapi import operation
from smartgrid.web.problems import ProblemError, not_found, retry_after
from smartgrid.web.routes import add_routes, route

MAX_CURSOR = 2**53
MAX_RETRY_S = 60.0
"""After so long whoever waits may look again, even where the start is expected later: cars may leave before."""
REFUSALS = ("no-capacity", "draining", "quota-exceeded")
UNTIL_A_RELEASE = ("no-capacity", "quota-exceeded")
"""Refusals that stand until a session ends: an owner's own ends no earlier than the first of all."""
WITH_STATUS = ("/charge", "/status", "/capacity", "/draining", "/forecast", "/waiting", "/offers", "/reports")
log = logging.getLogger(__name__)


class Api:
    """The views, with what they need."""

    def __init__(
        self,
        name: str,
        ledger: ChargerLedger,
        clock: GridClock,
        metrics: SubstationMetrics,
        *,
        max_waits: int = 32,
        set_draining: Callable[[bool], Status] | None = None,
    ) -> None:
        """At most `max_waits` long polls are held at once. `set_draining` also keeps it over restarts."""
        self.name, self.ledger, self.clock, self.metrics = name, ledger, clock, metrics
        self._set_draining = set_draining or ledger.set_draining
        self._polls = LongPolls(max_waits)
        self.offers_views = OffersViews(name, ledger, self._polls)

    @route("POST", "/charge")
    @operation(
        "Charge a car here, or let it wait for power (202)",
        body=PluggedChargeBody,
        answers={201: SessionBody, 202: SessionBody},
        problems=(400, 409, 413, 415, 422, 429, 503, 504),
        headers=KEY_HEADER | charge_views.OWNER_HEADER | charge_views.NUMBER_HEADER | charge_views.WAITING_HEADERS,
        needs=(CHARGE_WRITE,),
    )
    @audited("charge")
    def charge(self) -> Response:
        body, key, number = read_body(PluggedChargeBody), idempotency_key(), charge_views.try_number()
        until_s = _waits_until_s(body) if charge_views.may_wait_here() and body.wait else None
        try:
            if body.charger is not None:
                told = self.ledger.plug_in(self._request(body), to_plug_in(body.charger), key_of_plug(key), number)
            else:
                told = self.ledger.charge(
                    self._request(body),
                    key,
                    number,
                    fingerprint(body),
                    access.owner(),
                    digest=charge_views.key_digest(),
                    waits_until_s=until_s,
                )
        except LedgerError as error:
            self._count_refusal(error.code)
            raise
        waits = told.record.state == SessionState.WAITING
        self.metrics.requests.labels("replayed" if told.replayed else "waiting" if waits else "admitted").inc()
        auditing.note(session_id=told.record.session_id)
        log.info(
            "wait" if waits else "charge",
            extra={"vehicle": logs.vehicle(body.vehicle_id), "replayed": told.replayed},
        )
        headers = {REPLAYED: "true"} if told.replayed else {}
        if waits:
            return self._session(told, 202, headers | self._look_again(told.record))
        return self._session(told, 201, headers)

    @route("POST", "/forecast")
    @operation(
        "When such a car would start to charge if it came now and waited",
        body=ChargeBody,
        answers={200: ForecastBody},
        problems=(400, 413, 415, 422, 503),
        needs=(GRID_SERVICE, CHARGE_WRITE),
    )
    def forecast(self) -> Response:
        body = read_body(ChargeBody)
        takes, start_in_s = self.ledger.forecast(self._request(body), _waits_until_s(body))
        return answer({"expected_start_in_s": start_in_s, "takes": takes})

    @route("GET", "/waiting")
    @operation(
        "The first cars on the waiting list, for a balancer that has a place for one of them",
        answers={200: WaitingPage},
        problems=(422,),
        query=charge_views.WAITING_QUERY,
        needs=(GRID_SERVICE,),
    )
    def waiting(self) -> Response:
        return answer({"cars": [to_waiting(record) for record in self.ledger.waiting(charge_views.waiting_limit())]})

    @route("GET", "/charge")
    @operation(
        "List sessions, newest first",
        answers={200: SessionPage},
        problems=(422, 503),
        query=PAGE_QUERY,
        headers=charge_views.OWNER_HEADER,
        needs=(CHARGE_READ, GRID_READ),
    )
    def sessions(self) -> Response:
        limit, before = page_limit(), query_int("cursor", 0, 0, MAX_CURSOR)
        state = query_choice("state", SessionState)
        records = self.ledger.page(limit, before or None, state, access.owner())
        shown = [to_wire(record, self.name) for record in records if state is None or record.state == state]
        return answer({"sessions": shown, "next_cursor": str(records[-1].seq) if len(records) == limit else None})

    @route("GET", "/charge/<session_id>")
    @operation(
        "One session; with `wait_s` once its state is another",
        answers={200: SessionBody},
        problems=(404, 422, 503),
        query=charge_views.WAIT_QUERY,
        headers=charge_views.OWNER_HEADER,
        needs=(CHARGE_READ, GRID_READ),
    )
    def session(self, session_id: str) -> Response:
        asked, owner = charge_views.wait_query(), access.owner()

        def at_once() -> Told | None:
            return self.ledger.find(session_id, owner)

        def later() -> Told | None:
            return self.ledger.find(session_id, owner, asked.wait_s, asked.known)

        told = self._polls.answer(later, at_once) if asked.wait_s else at_once()
        if told is None:
            raise not_found(f"session {session_id}")
        return self._session(told)

    @route("DELETE", "/charge/<session_id>")
    @operation(
        "Stop a session, or end it as superseded by another one of its key",
        answers={200: SessionBody},
        problems=(404, 422, 503, 504),
        query=charge_views.SUPERSEDE_QUERY,
        headers=charge_views.OWNER_HEADER,
        needs=(CHARGE_WRITE, GRID_OPERATE),
    )
    @audited("stop")
    def stop(self, session_id: str) -> Response:
        wanted, owner = charge_views.superseding_wanted(), access.owner()
        if wanted is None:
            told = self.ledger.stop(session_id, owner)
        else:
            told = self.ledger.supersede(session_id, wanted.before, wanted.by, owner)
        if told is None:
            raise not_found(f"session {session_id}")
        log.info("stop" if wanted is None else "supersede", extra={"vehicle": logs.vehicle(told.record.vehicle_id)})
        return self._session(told)

    @route("GET", "/status")
    @operation(
        "State of the substation",
        answers={200: StatusBody},
        problems=(422,),
        query=charge_views.STATUS_AND_KEYS_QUERY,
        needs=(GRID_READ,),
    )
    def status(self) -> Response:
        asked = charge_views.status_query()
        found, page = self._polls.answer(
            lambda: self.ledger.news(asked.epoch, asked.since, asked.keys, asked.wait_s),
            lambda: self.ledger.news(asked.epoch, asked.since, asked.keys, 0),
        )
        g.status = found
        shown = status_header.wire_status(self.name, found)
        if page is not None:
            shown["keys"] = keys.to_wire(page)
        return answer(shown)

    @route("PUT", "/capacity")
    @operation(
        "Change the capacity; sessions are curtailed or resumed at once",
        body=CapacityBody,
        answers={200: StatusBody},
        problems=(400, 413, 415, 422, 503, 504),
        needs=(GRID_OPERATE,),
    )
    @audited("capacity")
    def set_capacity(self) -> Response:
        body = read_body(CapacityBody)
        auditing.note(capacity_kw=body.capacity_kw)
        g.status = self.ledger.set_capacity(body.capacity_kw)
        log.info("capacity", extra={"capacity_kw": body.capacity_kw})
        return answer(status_header.wire_status(self.name, g.status))

    @route("PUT", "/draining")
    @operation(
        "Take no new cars, or take them again; sessions go on, and it holds over restarts",
        body=DrainingBody,
        answers={200: StatusBody},
        problems=(400, 413, 415, 422, 503),
        needs=(GRID_OPERATE,),
    )
    @audited("draining")
    def set_draining(self) -> Response:
        body = read_body(DrainingBody)
        auditing.note(draining=body.draining)
        g.status = self._set_draining(body.draining)
        log.info("draining", extra={"draining": body.draining})
        return answer(status_header.wire_status(self.name, g.status))

    def problem(self, error: LedgerError) -> Response:
        """How the API says that the ledger refuses."""
        g.status = error.status or self.ledger.status()
        headers = {}
        if error.retry:
            headers = retry_after(self.ledger.release_in_s(g.status) if error.code in UNTIL_A_RELEASE else None)
        problem = ProblemError(error.http_status, error.code, str(error), headers=headers, **error.extensions)
        return problem.response()

    def add_status(self, response: Response) -> Response:
        """Every answer about sessions carries the fresh status, for who may know it."""
        if request.path.startswith(WITH_STATUS) and access.may_read_grid():
            found: Status = g.get("status") or self.ledger.status()
            response.headers[STATUS] = status_header.encode(self.name, found, self.ledger.release_in_s(found))
        return response

    def _session(self, told: Told, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        g.status = told.status
        return answer(to_wire(told.record, self.name), status, headers)

    def _request(self, body: ChargeBody) -> ChargeRequest:
        departure_s = self.clock.to_grid_s(body.departure_time.timestamp()) if body.departure_time else None
        return ChargeRequest(body.vehicle_id, body.wanted_kwh, body.power, departure_s)

    def _look_again(self, record: Record) -> dict[str, str]:
        """When its client may look again: once it is expected to have started."""
        start_s = record.expected_start_wall_s
        return retry_after(MAX_RETRY_S if start_s is None else min(start_s - self.clock.wall_s(), MAX_RETRY_S))

    def _count_refusal(self, code: str) -> None:
        self.metrics.requests.labels("rejected" if code in REFUSALS else "failed").inc()
        self.metrics.rejections.labels(code).inc()


def _waits_until_s(body: ChargeBody) -> float:
    """Until when a car waits, in wall time; infinite where it does not say."""
    return body.wait_until.timestamp() if body.wait_until else math.inf


def make_app(
    api: Api, lifecycle: Lifecycle, registry: CollectorRegistry, guard: Guard | None = None, audit: Audit | None = None
) -> Flask:
    """The WSGI application."""
    app = create_app("substation", lifecycle, registry)
    deadlines.install(app)
    add_routes(app, api)
    add_routes(app, api.offers_views)
    app.after_request(api.add_status)
    app.register_error_handler(LedgerError, api.problem)
    guard = guard or Guard()
    finish_app(app, "Smart grid: substation", guard)
    if audit is not None:
        auditing.install(app, guard, audit)
    return app
