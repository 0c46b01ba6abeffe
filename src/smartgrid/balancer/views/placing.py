"""`POST /charge`: a car is placed, to charge or to wait, or the client is told in one of a few ways that it is not."""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import dataclass

from flask import Response, request

from smartgrid.auth.scopes import CHARGE_WRITE
from smartgrid.balancer.last_known import LastKnown
from smartgrid.balancer.live_fleet import LiveFleet
from smartgrid.balancer.metrics import BalancerMetrics
from smartgrid.balancer.placement.attempt import OVER_QUOTA, SUPERSEDED, Car
from smartgrid.balancer.placement.errors import (
    FaultyRequestError,
    HolderAwayError,
    NoPlaceError,
    NoRegionError,
    NoTimeError,
    NotKnownError,
    OverQuotaError,
    PlacementError,
    SupersededAboveError,
)
from smartgrid.balancer.placement.keys_under_way import KeyBusyError
from smartgrid.balancer.placement.placement import Placed, Placement
from smartgrid.balancer.sessions import unavailable
from smartgrid.balancer.tries import Tries
from smartgrid.balancer.views.fleet import release_in_s
from smartgrid.domain.regions import UnknownRegionError, Wish
from smartgrid.protocol import headers
from smartgrid.protocol.models import ChargeBody, SessionBody
from smartgrid.runtime import logs
from smartgrid.web import access, auditing, charge_views, deadlines
from smartgrid.web.app import KEY_HEADER, answer, idempotency_key, read_body
from smartgrid.web.auditing import audited
from smartgrid.web.openapi import operation
from smartgrid.web.problems import MEDIA_TYPE, ProblemError, retry_after
from smartgrid.web.routes import route

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PlacingViews:
    """With what they need."""

    placement: Placement
    fleet: LiveFleet
    metrics: BalancerMetrics
    tries: Tries
    known: LastKnown

    @route("POST", "/charge")
    @operation(
        "Charge a car on the best substation",
        body=ChargeBody,
        answers={201: SessionBody, 202: SessionBody},
        problems=(400, 403, 409, 413, 415, 422, 429, 503, 504),
        headers=KEY_HEADER
        | charge_views.OWNER_HEADER
        | charge_views.NUMBER_HEADER
        | charge_views.WAITING_HEADERS
        | charge_views.RESIDENCY_HEADER,
        needs=(CHARGE_WRITE,),
    )
    @audited("charge")
    def charge(self) -> Response:
        begun_s, body = time.monotonic(), read_body(ChargeBody)
        named, moved = idempotency_key(), charge_views.key_digest()
        key = "" if moved else named or secrets.token_hex(16)
        number = self.tries.number(charge_views.try_number(), time.time())
        may_wait = charge_views.may_wait_here() and body.wait
        wish = Wish(body.regions, access.residency())
        sent = request.get_data() if body.region is None else body.filled_in(with_region=False)
        car = Car(sent, body.power, key, number, access.owner(), body.wait, may_wait, moved, wish)
        try:
            placed = self.placement.place(car, deadlines.work_end_s())
        except (PlacementError, KeyBusyError) as error:
            return self.refused(error, key)
        self.metrics.decision_s.observe(time.monotonic() - begun_s)
        self.known.note(placed.session, car.owner, time.time())
        return self.placed(placed, body.vehicle_id)

    def placed(self, placed: Placed, vehicle_id: str) -> Response:
        waits = placed.look_again_s is not None
        self.metrics.requests.labels("replayed" if placed.replayed else "waiting" if waits else "admitted").inc()
        auditing.note(session_id=placed.session["session_id"])
        if not placed.replayed:
            self.metrics.decisions.count(placed.member)
        log.info(
            "waits" if waits else "placed",
            extra={"vehicle": logs.vehicle(vehicle_id), "substation": placed.member, "attempts": placed.attempts},
        )
        replayed = {headers.REPLAYED: "true"} if placed.replayed else {}
        look_again = {"Retry-After": str(placed.look_again_s)} if waits else {}
        return answer(placed.session, 202 if waits else 201, replayed | look_again)

    def refused(self, error: PlacementError | KeyBusyError, key: str) -> Response:
        """Count each way of not placing a car, and answer it."""
        self.metrics.requests.labels("rejected" if isinstance(error, NoPlaceError | OverQuotaError) else "failed").inc()
        match error:
            case NoPlaceError():
                response = self.no_place(error).response()
            case OverQuotaError():
                response = self.over_quota(error).response()
            case NoTimeError():
                response = deadlines.exceeded().response()
            case NotKnownError():
                response = _not_known(error).response()
            case HolderAwayError():
                response = unavailable(error.member).response()
            case NoRegionError():
                response = _no_region(error).response()
            case FaultyRequestError():
                response = _passed_on(error)
            case SupersededAboveError():
                response = _superseded(error).response()
            case KeyBusyError():
                response = _busy().response()
            case _:
                raise error
        if response.status_code >= 500 and key:  # the client may not know the key, which makes a repeat safe
            response.headers[headers.KEY] = key
        return response

    def no_place(self, error: NoPlaceError) -> ProblemError:
        out, size = self.fleet.out_of_rotation(), self.fleet.size()
        down = f" {out} of {size} substations do not answer." if out else ""
        nobody = "There is no substation yet." if not size else "No substation can take the car now."
        reason = "no-substation" if out == size else "no-capacity"
        self.metrics.rejections.labels(reason).inc()
        log.info("rejected", extra={"reason": reason, "attempts": error.attempts})
        return ProblemError(503, "no-capacity", nobody + down, headers=retry_after(release_in_s(self.fleet.totals())))

    def over_quota(self, error: OverQuotaError) -> ProblemError:
        self.metrics.rejections.labels(OVER_QUOTA).inc()
        log.info("rejected", extra={"reason": OVER_QUOTA, "attempts": error.attempts})
        detail = "The owner of the car would have more at once than one may have; try again when a session has ended."
        return ProblemError(429, OVER_QUOTA, detail, headers=retry_after(release_in_s(self.fleet.totals())))


def _not_known(error: NotKnownError) -> ProblemError:
    log.warning("outcome unknown", extra={"attempts": error.attempts})
    detail = (
        "No substation took the car, and one did not answer, so it may charge there. "
        "Repeat the request with the Idempotency-Key of this answer."
    )
    return ProblemError(504, "outcome-unknown", detail, headers={"Retry-After": "1"})


def _superseded(error: SupersededAboveError) -> ProblemError:
    detail = "The key's session is not here but at superseded_by."
    return ProblemError(409, SUPERSEDED, detail, superseded_by=error.path)


def _no_region(error: NoRegionError) -> ProblemError:
    if isinstance(error.reason, UnknownRegionError):
        return ProblemError(422, "unknown-region", str(error.reason))
    return ProblemError(403, "region-not-allowed", str(error.reason))


def _busy() -> ProblemError:
    detail = "A request with this Idempotency-Key is under way."
    return ProblemError(409, "request-in-progress", detail, headers={"Retry-After": "1"})


def _passed_on(error: FaultyRequestError) -> Response:
    retry = error.answer.headers.get("Retry-After")
    sent = {"Retry-After": retry} if retry else None
    return Response(error.answer.body, error.answer.status, sent, content_type=MEDIA_TYPE)
