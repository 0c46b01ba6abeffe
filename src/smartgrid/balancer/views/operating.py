"""What operators change at a substation, through a balancer: its limit, and whether it takes new cars.

The substation itself decides and keeps both, so all balancers see it, and it holds whichever of them was asked. One of
a region is named as in ids, `west.substation-1`: the region's balancer is asked to pass it on.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from flask import Response, request
from pydantic import ConfigDict, ValidationError

from smartgrid.auth.scopes import GRID_OPERATE
from smartgrid.balancer import member_answers
from smartgrid.balancer.live_fleet import LiveFleet
from smartgrid.http_client.client import NotSentError, OutcomeUnknownError
from smartgrid.protocol import status_header, tracing
from smartgrid.protocol.headers import STATUS
from smartgrid.protocol.models import CapacityBody, DrainingBody, StatusBody
from smartgrid.protocol.session_id import SEPARATOR
from smartgrid.web import auditing
from smartgrid.web.app import JSON, answer, read_body
from smartgrid.web.auditing import audited
from smartgrid.web.openapi import operation
from smartgrid.web.problems import ProblemError, not_found, retry_after
from smartgrid.web.routes import route

TIMEOUT_S = 1.7
PROBLEMS = (400, 404, 409, 413, 415, 422, 503, 504)
_INNER = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+){0,7}")
log = logging.getLogger(__name__)


class _Status(StatusBody):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False, frozen=True)


@dataclass(frozen=True, slots=True)
class OperatingViews:
    """With what they need."""

    fleet: LiveFleet

    @route("PUT", "/substations/<name>/capacity")
    @operation(
        "Change the capacity of a substation; its sessions are curtailed or resumed at once",
        body=CapacityBody,
        answers={200: StatusBody},
        problems=PROBLEMS,
        needs=(GRID_OPERATE,),
    )
    @audited("capacity")
    def set_capacity(self, name: str) -> Response:
        return self._change(name, "capacity", capacity_kw=read_body(CapacityBody).capacity_kw)

    @route("PUT", "/substations/<name>/draining")
    @operation(
        "Have a substation take no new cars, or take them again; its sessions go on",
        body=DrainingBody,
        answers={200: StatusBody},
        problems=PROBLEMS,
        needs=(GRID_OPERATE,),
    )
    @audited("draining")
    def set_draining(self, name: str) -> Response:
        return self._change(name, "draining", draining=read_body(DrainingBody).draining)

    def _change(self, name: str, what: str, **to: object) -> Response:
        auditing.note(**to)
        response = self._put(name, f"/{what}")
        log.info(what, extra={"substation": name, **to})
        return response

    def _put(self, name: str, path: str) -> Response:
        """Pass the request on; the same twice is the same as once, so it may be repeated."""
        member, _, inner = name.partition(SEPARATOR)
        substation = self.fleet.substation(member)
        if substation is None or (inner and not _INNER.fullmatch(inner)):
            raise not_found(f"substation {name}")
        path = f"/substations/{inner}{path}" if inner else path
        sent = {"Content-Type": JSON, STATUS: status_header.WANTED, **tracing.outgoing()}
        try:
            found = substation.client.request("PUT", path, timeout_s=TIMEOUT_S, body=request.get_data(), headers=sent)
        except NotSentError as error:
            detail = f"{name} cannot be reached; nothing has changed."
            raise ProblemError(503, "substation-unavailable", detail, headers=retry_after()) from error
        except OutcomeUnknownError as error:
            raise _unknown(name) from error
        self.fleet.saw(substation, found.headers.get(STATUS))
        code = member_answers.problem(found.body).get("code")
        if inner and found.status == 404 and code == "not-found":
            raise not_found(f"substation {name}")
        if found.status in (404, 405, 409):
            detail = f"{name} is a region: name a substation of it, as in {name}.substation-0."
            raise ProblemError(409, "not-a-substation", detail)
        if found.status == 503:
            detail = str(member_answers.problem(found.body).get("detail", f"{name} refuses."))[:500]
            raise ProblemError(503, "substation-unavailable", detail, headers=retry_after())
        if found.status != 200:
            raise _unknown(name)
        try:
            return answer(_Status.model_validate_json(found.body).model_dump())
        except ValidationError as error:
            raise _unknown(name) from error


def _unknown(name: str) -> ProblemError:
    detail = f"{name} does not answer as it should, so it may or may not have changed. Repeating it is safe."
    return ProblemError(504, "outcome-unknown", detail, headers={"Retry-After": "1"})
