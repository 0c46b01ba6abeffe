"""What an edge asks of a substation: offers for its chargers, reports of what they may draw, and the end of a session.

docs/chargers-protocol.md has the rules; the bodies are `protocol.offers`. The views only translate: bodies in OCPP's
words and with RFC 3339 times into what `charger_ledger` takes, and back. All three are for services alone
(`grid:service`): whoever could report could free power that a charger draws.

A poll for offers is a lease for the edge that it names, and for all if it names none. It waits among the long polls of
all others (`LongPolls`); where too many wait already, it is answered at once, since an answer is what renews the lease.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime

from flask import Response, request

from smartgrid.auth.scopes import GRID_SERVICE
from smartgrid.domain.charger_sessions import Reading
from smartgrid.domain.held_power import Report
from smartgrid.domain.substation import Connectors
from smartgrid.protocol.models import SessionBody
from smartgrid.protocol.offers import (
    HAS_LEFT,
    MAX_EDGE,
    MAX_WAIT_S,
    EndBody,
    OffersBody,
    PlugBody,
    ReportBody,
    ReportsAnswer,
    ReportsBody,
)
from smartgrid.runtime import logs
from smartgrid.runtime.clock import rfc3339
from smartgrid.substation.charger_book import Offer, Offers, Reports, SessionReport
from smartgrid.substation.charger_ledger import ChargerLedger
from smartgrid.substation.chargers import PlugIn
from smartgrid.substation.record import to_wire
from smartgrid.web import access, auditing
from smartgrid.web.app import answer, query_int, read_body
from smartgrid.web.auditing import audited
from smartgrid.web.charge_views import MOST
from smartgrid.web.long_polls import LongPolls
from smartgrid.web.openapi import operation
from smartgrid.web.parameters import text, whole
from smartgrid.web.problems import ProblemError, not_found
from smartgrid.web.routes import route

EDGE = "[!-~]+"
OFFERS_QUERY = {
    "epoch": whole("The epoch of the last answer, that of `since`.", 0, MOST),
    "since": whole("Wait until the revision is greater than this one.", 0, MOST),
    "wait_s": whole("Longest wait in seconds, with `since`.", 0, MAX_WAIT_S),
    "edge": text("Who asks: it is a lease on what this edge holds. Without it, on all.", EDGE, MAX_EDGE),
}
IDLE_CAR = "SuspendedEV"
PAUSED = "SuspendedEVSE"
log = logging.getLogger(__name__)


class OffersViews:
    """The views. Of `name`, the substation; its long polls are among those of all others."""

    def __init__(self, name: str, ledger: ChargerLedger, polls: LongPolls) -> None:
        self.name, self.ledger, self._polls = name, ledger, polls

    @route("GET", "/offers")
    @operation(
        "What sessions with a charger may draw, for the edge that holds the charger; a lease on what it holds",
        answers={200: OffersBody},
        problems=(422,),
        query=OFFERS_QUERY,
        needs=(GRID_SERVICE,),
    )
    def offers(self) -> Response:
        epoch, since = query_int("epoch", 0, 0, MOST), query_int("since", -1, 0, MOST)
        wait_s = query_int("wait_s", MAX_WAIT_S if since >= 0 else 0, 0, MAX_WAIT_S)
        revision, edge = since if since >= 0 else None, _edge()
        told, starts_s = self._polls.answer(
            lambda: self.ledger.offers(epoch, revision, wait_s, edge),
            lambda: self.ledger.offers(epoch, revision, 0, edge),
        )
        return answer(_offers(told, starts_s))

    @route("POST", "/reports")
    @operation(
        "What an edge says of its sessions: what they may draw, and what their meters say",
        body=ReportsBody,
        answers={200: ReportsAnswer},
        problems=(400, 413, 415, 422, 503, 504),
        needs=(GRID_SERVICE,),
    )
    def reports(self) -> Response:
        body = read_body(ReportsBody)
        connectors = None if body.connectors is None else Connectors(body.connectors.total, body.connectors.free)
        sessions = [_report(each) for each in body.sessions]
        reports = Reports(body.epoch, body.edge, body.sequence, connectors, body.claims, sessions)
        epoch, revision, gone = self.ledger.report(reports)
        return answer({"epoch": epoch, "revision": revision, "gone": gone})

    @route("POST", "/charge/<session_id>/end")
    @operation(
        "End a session by its charger, whose meter has the last word",
        body=EndBody,
        answers={200: SessionBody},
        problems=(400, 404, 413, 415, 422, 503, 504),
        needs=(GRID_SERVICE,),
    )
    @audited("unplug")
    def end(self, session_id: str) -> Response:
        body = read_body(EndBody)
        told = self.ledger.unplug(session_id, body.energy_kwh, _wall_s(body.ended_at), has_left=body.reason == HAS_LEFT)
        if told is None:
            raise not_found(f"session {session_id}")
        auditing.note(session_id=session_id)
        log.info("unplug", extra={"vehicle": logs.vehicle(told.record.vehicle_id)})
        return answer(to_wire(told.record, self.name))


def to_plug_in(body: PlugBody) -> PlugIn:
    """As the book has it. Raises a problem (403) for who is no service: nobody else knows what a charger draws."""
    access.require(GRID_SERVICE)
    return PlugIn(
        body.charger,
        body.connector,
        body.transaction_id,
        body.edge,
        body.rating_kw,
        body.fallback_kw,
        body.held_kw,
        body.is_controlled,
        _wall_s(body.started_at),
        body.meter_kwh,
    )


def key_of_plug(key: str | None) -> str:
    """The key of a car that is plugged in; a problem (422) without one, as a repeat would start another session."""
    if key is None:
        raise ProblemError(422, "invalid-request", "A charge with a charger needs an Idempotency-Key.")
    return key


def _edge() -> str | None:
    """Who asks. Raises a problem (422)."""
    edge = request.args.get("edge")
    if edge is not None and not (len(edge) <= MAX_EDGE and re.fullmatch(EDGE, edge)):
        raise ProblemError(422, "invalid-request", f"edge must be 1 to {MAX_EDGE} characters of ASCII, no space.")
    return edge


def _report(body: ReportBody) -> SessionReport:
    report = Report(body.number, body.held_kw, body.fallback_kw, body.rating_kw, body.is_controlled)
    reading = Reading(
        body.power_kw, body.energy_kwh, _wall_s(body.measured_at), body.car == IDLE_CAR, body.car == PAUSED
    )
    return SessionReport(body.session_id, report, reading)


def _offers(told: Offers, starts_wall_s: dict[str, float]) -> dict[str, object]:
    return {
        "epoch": told.epoch,
        "revision": told.revision,
        "lease_s": told.lease_s,
        "capacity_kw": told.capacity_kw,
        "firm_capacity_kw": told.firm_capacity_kw,
        "sessions": [_offer(each, starts_wall_s) for each in told.offers],
    }


def _offer(offer: Offer, starts_wall_s: dict[str, float]) -> dict[str, object]:
    plug = offer.plug
    shown: dict[str, object] = {
        "session_id": offer.session_id,
        "vehicle_id": plug.vehicle_id,
        "state": offer.state,
        "number": offer.number,
        "offer_kw": offer.power_kw,
        "edge": offer.holder,
        "charger": plug.charger,
        "connector": plug.connector,
        "transaction_id": plug.transaction_id,
        "meter_kwh": plug.meter_kwh,
    }
    if offer.is_lapsed:
        shown["lapsed"] = True
    if offer.position is not None:
        start_s = starts_wall_s.get(offer.session_id)
        shown["position"], shown["expected_start"] = offer.position, None if start_s is None else rfc3339(start_s)
    return shown


def _wall_s(time: datetime | None) -> float | None:
    return None if time is None else time.timestamp()
