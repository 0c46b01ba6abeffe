"""The routes about chargers: the same at an edge, which knows them, and at a gateway, which passes them on."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from flask import Response, request

from smartgrid.auth.scopes import GRID_OPERATE, GRID_READ
from smartgrid.protocol.chargers import (
    ChargerBody,
    ChargersPage,
    ChargerSpecBody,
    CommandBody,
    CommandResult,
    DiagnosticsBody,
    is_charger,
)
from smartgrid.protocol.models import MEMBER_NAME
from smartgrid.web import auditing, paging, parameters
from smartgrid.web.app import MAX_PAGE_LIMIT, page_limit, read_body
from smartgrid.web.auditing import audited
from smartgrid.web.openapi import operation
from smartgrid.web.problems import ProblemError, not_found, retry_after
from smartgrid.web.routes import route

NO_EDGE, UNREACHABLE = "no-edge", "edge-unavailable"
"""Codes of problems: this grid has no edge; the edge is away."""
OFFLINE, SILENT, IN_USE, NO_KEY = "charger-offline", "charger-silent", "charger-in-use", "no-key"
"""The charger is not connected; it does not answer; it charges a car; it has no key that could be changed."""
FULL = "too-many-chargers"
COMMAND_TIMEOUT_S = 20.0
"""How long a charger's answer to an operator is waited for at the most: some take many seconds, as for a reset."""
MAX_COMMANDS = 8
"""Under way at once: each takes a thread while its charger thinks, and drivers need some too."""
LIST_QUERY = {
    "substation": parameters.text("Only those of this substation.", MEMBER_NAME.pattern, 63),
    "limit": parameters.whole("Chargers a page.", 1, MAX_PAGE_LIMIT),
    "cursor": parameters.Parameter("`next_cursor` of the page before.", {"type": "string"}),
}


class Place(NamedTuple):
    """Which charger: as in its URL, percent-decoded."""

    substation: str
    charger: str


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Chargers by substation and name, from the first after `after`."""

    substation: str | None
    after: Place | None
    limit: int


class Chargers(Protocol):
    """Who answers; each raises a problem where it cannot."""

    def page(self, query: ListQuery) -> Response: ...

    def look(self, place: Place) -> Response: ...

    def register(self, place: Place, body: ChargerSpecBody) -> Response: ...

    def remove(self, place: Place) -> Response: ...

    def command(self, place: Place, body: CommandBody) -> Response: ...

    def diagnostics(self, place: Place) -> Response: ...


class ChargerViews:
    """The views, upon whoever answers them."""

    def __init__(self, chargers: Chargers) -> None:
        self._chargers = chargers
        self._commands = threading.BoundedSemaphore(MAX_COMMANDS)

    @route("GET", "/chargers")
    @operation(
        "List chargers, by substation and name",
        answers={200: ChargersPage},
        problems=(404, 422, 429, 503),
        query=LIST_QUERY,
        needs=(GRID_READ,),
    )
    def chargers(self) -> Response:
        return self._chargers.page(list_query())

    @route("GET", "/chargers/<substation>/<charger>")
    @operation(
        "One charger and its connectors", answers={200: ChargerBody}, problems=(404, 429, 503), needs=(GRID_READ,)
    )
    def charger(self, substation: str, charger: str) -> Response:
        return self._chargers.look(_place(substation, charger))

    @route("PUT", "/chargers/<substation>/<charger>")
    @operation(
        "Register a charger, or change how it is registered; it connects with its key from then on",
        body=ChargerSpecBody,
        answers={200: ChargerBody, 201: ChargerBody},
        problems=(400, 404, 409, 413, 415, 422, 429, 503),
        needs=(GRID_OPERATE,),
    )
    @audited("register-charger")
    def register_charger(self, substation: str, charger: str) -> Response:
        return self._chargers.register(_place(substation, charger), read_body(ChargerSpecBody))

    @route("DELETE", "/chargers/<substation>/<charger>")
    @operation(
        "Remove a charger; its connection is closed, and no other let in",
        answers={200: ChargerBody},
        problems=(404, 409, 429, 503),
        needs=(GRID_OPERATE,),
    )
    @audited("unregister-charger")
    def unregister_charger(self, substation: str, charger: str) -> Response:
        return self._chargers.remove(_place(substation, charger))

    @route("POST", "/chargers/<substation>/<charger>/commands")
    @operation(
        "Have a charger do something",
        body=CommandBody,
        answers={200: CommandResult},
        problems=(400, 404, 409, 413, 415, 422, 429, 502, 503, 504),
        needs=(GRID_OPERATE,),
    )
    @audited("command-charger")
    def command_charger(self, substation: str, charger: str) -> Response:
        body = read_body(CommandBody)
        auditing.note(command=body.command)
        if not self._commands.acquire(blocking=False):
            detail = f"{MAX_COMMANDS} commands are under way; nothing was done. Try again."
            raise ProblemError(503, "overloaded", detail, headers=retry_after())
        try:
            return self._chargers.command(_place(substation, charger), body)
        finally:
            self._commands.release()

    @route("GET", "/chargers/<substation>/<charger>/diagnostics")
    @operation(
        "What helps to see why a charger does not do what it should",
        answers={200: DiagnosticsBody},
        problems=(404, 429, 503),
        needs=(GRID_READ,),
    )
    def diagnose_charger(self, substation: str, charger: str) -> Response:
        return self._chargers.diagnostics(_place(substation, charger))


def list_query() -> ListQuery:
    """The present request's. Raises a problem (422)."""
    substation, cursor = request.args.get("substation"), request.args.get("cursor")
    if substation is not None and not MEMBER_NAME.fullmatch(substation):
        raise ProblemError(422, "invalid-request", "substation must be the name of one, such as substation-0.")
    after = Place(*paging.decode(cursor, str, str)) if cursor is not None else None
    return ListQuery(substation, after, page_limit())


def next_cursor(last: Place) -> str:
    return paging.encode(list(last))


def unknown(place: Place) -> ProblemError:
    return not_found(f"charger {place.charger} at {place.substation}")


def _place(substation: str, charger: str) -> Place:
    """Raises a problem (404) for names that no charger can have."""
    place = Place(substation, charger)
    if not MEMBER_NAME.fullmatch(substation) or not is_charger(charger):
        raise unknown(place)
    return place
