"""The substation's HTTP interface."""

from __future__ import annotations

import logging
from collections.abc import Callable

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry

from smartgrid.domain.request import ChargeRequest
from smartgrid.domain.session import SessionState
from smartgrid.domain.status import Status
from smartgrid.protocol import status_header
from smartgrid.protocol.headers import STATUS
from smartgrid.protocol.models import CapacityBody, ChargeBody, SessionBody, SessionPage, StatusBody
from smartgrid.runtime import logs
from smartgrid.runtime.clock import GridClock
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.substation.ledger import (
    DepartureError,
    DrainingError,
    KeyReusedError,
    KeyVoidedError,
    Ledger,
    LedgerError,
    NoRoomError,
    StorageError,
)
from smartgrid.substation.metrics import SubstationMetrics
from smartgrid.substation.record import Record, to_wire
from smartgrid.web import charge_views
from smartgrid.web.app import (
    KEY_HEADER,
    answer,
    attempt_number,
    create_app,
    finish_app,
    idempotency_key,
    page_limit,
    query_choice,
    query_int,
    read_body,
)
from smartgrid.web.long_polls import LongPolls
from smartgrid.web.openapi import operation
from smartgrid.web.problems import ProblemError, not_found, retry_after

log = logging.getLogger(__name__)


class Api:
    """The views, with what they need."""

    def __init__(
        self, name: str, ledger: Ledger, clock: GridClock, metrics: SubstationMetrics, *, max_waits: int = 32
    ) -> None:
        """At most `max_waits` long polls are held at once."""
        self.name, self.ledger, self.clock, self.metrics = name, ledger, clock, metrics
        self._polls = LongPolls(max_waits)

    @operation(
        "Charge a car here",
        body=ChargeBody,
        answers={201: SessionBody},
        problems=(400, 409, 413, 415, 422, 503),
        headers=KEY_HEADER,
    )
    def charge(self) -> Response:
        body, key = read_body(ChargeBody), idempotency_key()
        departure_s = self.clock.to_grid_s(body.departure_time.timestamp()) if body.departure_time else None
        wanted = ChargeRequest(body.vehicle_id, body.energy_kwh, body.power, departure_s)
        try:
            charged = self.ledger.charge(wanted, key, attempt_number())
        except LedgerError as error:
            problem = self.problem(error)
            self._count_refusal(problem.code)
            raise problem from error
        self.metrics.requests.labels("replayed" if charged.replayed else "admitted").inc()
        log.info("charge", extra={"vehicle": logs.vehicle(body.vehicle_id), "replayed": charged.replayed})
        return answer(self._wire(charged.record), 201)

    @operation(
        "List sessions, newest first",
        answers={200: SessionPage},
        problems=(422, 503),
        query=charge_views.LIST_QUERY,
    )
    def sessions(self) -> Response:
        if (key := charge_views.key_to_find()) is not None:
            found = self.ledger.find_key(key)
            return (
                charge_views.page_of_key(self._wire(found), found.attempt) if found else charge_views.page_of_key(None)
            )
        limit, before = page_limit(), query_int("cursor", 0, 0, 999_999_999)
        return answer(self._page(limit, before or None, query_choice("state", SessionState)))

    @operation("One session", answers={200: SessionBody}, problems=(404,))
    def session(self, session_id: str) -> Response:
        record = self.ledger.find(session_id)
        if record is None:
            raise not_found(f"session {session_id}")
        return answer(self._wire(record))

    @operation("Stop a session", answers={200: SessionBody}, problems=(404, 503))
    def stop(self, session_id: str) -> Response:
        record = self.ledger.stop(session_id)
        if record is None:
            raise not_found(f"session {session_id}")
        log.info("stop", extra={"vehicle": logs.vehicle(record.vehicle_id)})
        return answer(self._wire(record))

    @charge_views.void_operation(422, 503)
    def void(self) -> Response:
        record = self.ledger.void(*charge_views.key_to_void())
        return charge_views.page_of_key(self._wire(record) if record else None)

    @operation("State of the substation", answers={200: StatusBody}, problems=(422,), query=charge_views.STATUS_QUERY)
    def status(self) -> Response:
        since, wait_s = charge_views.wait_wanted()
        found = self.ledger.status() if since is None else self._wait_for_change(since, wait_s)
        return answer(status_header.wire_status(self.name, found))

    @operation(
        "Change the capacity; sessions are curtailed or resumed at once",
        body=CapacityBody,
        answers={200: StatusBody},
        problems=(400, 413, 415, 422, 503),
    )
    def set_capacity(self) -> Response:
        body = read_body(CapacityBody)
        self.ledger.set_capacity(body.capacity_kw)
        log.info("capacity", extra={"capacity_kw": body.capacity_kw})
        return answer(status_header.wire_status(self.name, self.ledger.status()))

    def add_status(self, response: Response) -> Response:
        """Every answer about sessions carries the fresh status."""
        if request.path.startswith(("/charge", "/status", "/capacity")):
            found = self.ledger.status()
            response.headers[STATUS] = status_header.encode(self.name, found, self.ledger.release_in_s(found))
        return response

    def _wait_for_change(self, since: int, wait_s: int) -> Status:
        return self._polls.answer(lambda: self.ledger.wait_for_change(since, wait_s), self.ledger.status)

    def _page(self, limit: int, before_seq: int | None, state: SessionState | None) -> dict[str, object]:
        active = None if state is None else state is not SessionState.IDLE
        rows = self.ledger.page(limit, before_seq, active)
        wanted = [self._wire(record) for _, record in rows if state is None or record.state == state]
        return {"sessions": wanted, "next_cursor": str(rows[-1][0]) if len(rows) == limit else None}

    def _wire(self, record: Record) -> dict[str, object]:
        return to_wire(record, self.name)

    def problem(self, error: LedgerError) -> ProblemError:
        """How the API says that the books refuse."""
        return _PROBLEMS[type(error)](self, error)

    def _count_refusal(self, code: str) -> None:
        self.metrics.requests.labels("rejected" if code in ("no-capacity", "draining") else "failed").inc()
        self.metrics.rejections.labels(code).inc()

    def retry_after(self) -> dict[str, str]:
        """When there may be room."""
        return retry_after(self.ledger.release_in_s(self.ledger.status()))


_PROBLEMS: dict[type[LedgerError], Callable[[Api, LedgerError], ProblemError]] = {
    NoRoomError: lambda api, _: ProblemError(
        503, "no-capacity", "The substation has no room for the car's minimum power.", headers=api.retry_after()
    ),
    DrainingError: lambda api, _: ProblemError(
        503,
        "draining",
        "The substation is about to end and admits no one.",
        headers=retry_after(),
    ),
    DepartureError: lambda _, __: ProblemError(422, "invalid-request", "departure_time must be in the future."),
    KeyReusedError: lambda _, __: ProblemError(
        422, "idempotency-key-reused", "The Idempotency-Key belongs to another request; use a new one for each car."
    ),
    KeyVoidedError: lambda _, __: ProblemError(
        409, "key-voided", "The Idempotency-Key has been voided; use a new one."
    ),
    StorageError: lambda _, error: ProblemError(
        503,
        "storage-unavailable",
        f"The disk takes no changes at present ({error}); try again.",
        headers=retry_after(),
    ),
}


def make_app(api: Api, lifecycle: Lifecycle, registry: CollectorRegistry) -> Flask:
    """The WSGI application."""
    app = create_app("substation", lifecycle, registry)
    app.post("/charge")(api.charge)
    app.get("/charge")(api.sessions)
    app.delete("/charge")(api.void)
    app.add_url_rule("/charge/<session_id>", view_func=api.session, methods=["GET"])
    app.add_url_rule("/charge/<session_id>", view_func=api.stop, methods=["DELETE"])
    app.get("/status")(api.status)
    app.put("/capacity")(api.set_capacity)
    app.after_request(api.add_status)
    app.register_error_handler(LedgerError, lambda error: api.problem(error).response())
    return finish_app(app, "Smart grid: substation")
