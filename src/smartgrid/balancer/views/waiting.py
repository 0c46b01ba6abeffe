"""What a balancer in front asks about waiting: to it, a region is a substation with one list."""

from __future__ import annotations

import time
from dataclasses import dataclass

from flask import Response, request

from smartgrid.auth.scopes import CHARGE_WRITE, GRID_SERVICE
from smartgrid.balancer.placement.attempt import JSON
from smartgrid.balancer.placement.forecasts import Forecasts
from smartgrid.balancer.waiting_lists import WaitingLists
from smartgrid.protocol import status_header, tracing
from smartgrid.protocol.headers import STATUS
from smartgrid.protocol.models import ChargeBody, ForecastBody, WaitingPage
from smartgrid.web import access, charge_views, deadlines
from smartgrid.web.app import answer, read_body
from smartgrid.web.openapi import operation
from smartgrid.web.routes import route

TIMEOUT_S = 1.7


@dataclass(frozen=True, slots=True)
class WaitingViews:
    """With what they need."""

    forecasts: Forecasts
    lists: WaitingLists

    @route("POST", "/forecast")
    @operation(
        "When a car would start that joined the list where it would start first",
        body=ChargeBody,
        answers={200: ForecastBody},
        problems=(400, 413, 415, 422),
        headers=charge_views.OWNER_HEADER,
        needs=(CHARGE_WRITE, GRID_SERVICE),
    )
    def forecast(self) -> Response:
        body = read_body(ChargeBody)
        sent = {"Content-Type": JSON, STATUS: status_header.WANTED, **access.outgoing(), **tracing.outgoing()}
        asked = request.get_data() if body.region is None else body.filled_in(with_region=False)
        return answer(self.forecasts.earliest(asked, body.power, sent, _end_s()).model_dump())

    @route("GET", "/waiting")
    @operation(
        "The cars that wait, list by list, those first that are most in need of another place",
        answers={200: WaitingPage},
        problems=(422,),
        query=charge_views.WAITING_QUERY,
        needs=(GRID_SERVICE,),
    )
    def waiting(self) -> Response:
        return answer({"cars": self.lists.shown(charge_views.waiting_limit(), _end_s())})


def _end_s() -> float:
    return min(deadlines.work_end_s(), time.monotonic() + TIMEOUT_S)
