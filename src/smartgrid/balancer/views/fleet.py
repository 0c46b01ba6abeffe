"""The fleet: its totals, its members, and those that people register."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from flask import Response

from smartgrid.auth.scopes import GRID_OPERATE, GRID_READ
from smartgrid.balancer import loops
from smartgrid.balancer.changes import Changes
from smartgrid.balancer.live_fleet import LiveFleet, Seen
from smartgrid.balancer.models import FleetBody, FleetStatusBody, SubstationBody
from smartgrid.balancer.placement.directory import Directory
from smartgrid.balancer.registrations import Registrations
from smartgrid.domain.status import Status
from smartgrid.protocol import keys, status_header
from smartgrid.protocol.models import RegistrationBody
from smartgrid.web import auditing, charge_views
from smartgrid.web.app import answer, read_body
from smartgrid.web.auditing import audited
from smartgrid.web.charge_views import StatusQuery
from smartgrid.web.long_polls import LongPolls
from smartgrid.web.openapi import operation
from smartgrid.web.routes import route

_STATUS_FIELDS = (
    "state",
    "capacity_kw",
    "load_kw",
    "load_percentage",
    "committed_kw",
    "demand_kw",
    "active_sessions",
    "waiting_sessions",
    "revision",
    "connectors",
    "free_connectors",
    "booked_kw",
    "metered_kw",
    "overbooked_kw",
)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FleetViews:
    """With what they need. A balancer in front waits for `changes` of the fleet and of the directory."""

    name: str
    fleet: LiveFleet
    directory: Directory
    changes: Changes
    registrations: Registrations
    polls: LongPolls

    @route("GET", "/status")
    @operation(
        "State of the whole fleet",
        answers={200: FleetStatusBody},
        problems=(422,),
        query=charge_views.STATUS_AND_KEYS_QUERY,
        needs=(GRID_READ,),
    )
    def status(self) -> Response:
        return answer(self._status(charge_views.status_query()))

    @route("GET", "/substations")
    @operation("The fleet", answers={200: FleetBody}, needs=(GRID_READ,))
    def substations(self) -> Response:
        now_s = time.monotonic()
        return answer({"substations": [_substation(seen, now_s) for seen in self.fleet.seen()]})

    @route("POST", "/substations")
    @operation(
        "Register a substation, or a balancer of a region",
        body=RegistrationBody,
        answers={201: SubstationBody, 200: SubstationBody},
        problems=(400, 403, 409, 413, 415, 422),
        needs=(GRID_OPERATE,),
    )
    @audited("register")
    def register(self) -> Response:
        body = read_body(RegistrationBody)
        auditing.note(url=body.url)
        member, is_new = self.registrations.add(body.url, body.name)
        log.info("registered", extra={"substation": member.name})
        return answer(self._shown(member.name), 201 if is_new else 200)

    @route("DELETE", "/substations/<path:url>")
    @operation(
        "Remove a registered substation",
        answers={200: SubstationBody},
        problems=(404, 409, 422),
        needs=(GRID_OPERATE,),
    )
    @audited("unregister")
    def unregister(self, url: str) -> Response:
        shown = {seen.member.url: seen for seen in self.fleet.seen()}
        member = self.registrations.remove(unquote(url))
        log.info("removed", extra={"substation": member.name})
        return answer(_substation(shown[member.url], time.monotonic()) if member.url in shown else None)

    def _status(self, query: StatusQuery) -> dict[str, Any]:
        """The totals, and the keys where they are asked for, once there is what the query waits for."""
        totals = self.fleet.totals()
        if query.since is not None and not self._has_news(query):
            self.polls.answer(lambda: self.changes.wait_for(lambda: self._has_news(query), query.wait_s), lambda: None)
            totals = self.fleet.totals()
        found = {**status_header.wire_status(self.name, totals), "substations": self.fleet.size()}
        found["balancers"] = [totals.epoch, *sorted(self.fleet.balancers())][: loops.MAX_BALANCERS]
        if query.keys is not None:
            page = self.directory.page(query.keys, reset=query.epoch != totals.epoch)
            found["keys"] = keys.to_wire(page)
        return found

    def _has_news(self, query: StatusQuery) -> bool:
        totals = self.fleet.totals()
        if query.since is None or query.epoch not in (0, totals.epoch):
            return True
        has_keys = query.keys is not None and (query.epoch != totals.epoch or self.directory.mark() > query.keys)
        return has_keys or totals.revision > query.since

    def _shown(self, name: str) -> dict[str, Any] | None:
        now_s = time.monotonic()
        return next((_substation(seen, now_s) for seen in self.fleet.seen() if seen.member.name == name), None)


def release_in_s(status: Status) -> float | None:
    """Seconds until the next release that is expected, if there is one."""
    return None if status.next_release_s is None else max(0.0, status.next_release_s - time.monotonic())


def _substation(seen: Seen, now_s: float) -> dict[str, Any]:
    status, view = seen.view.status, seen.view
    age_s = None if view.updated_at_s is None else round(now_s - view.updated_at_s, 3)
    known = status_header.wire_status(seen.member.name, status) if status else {}
    found = {name: known.get(name) for name in _STATUS_FIELDS}
    member = seen.member
    place = {"name": member.name, "url": member.url, "host": member.host or None}
    return {**found, **place, "in_rotation": seen.in_rotation, "age_s": age_s}
