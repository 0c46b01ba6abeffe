"""The API of chargers where several edges share the substations: whichever is asked, the one that has the charger
answers.

A request about one charger goes on to the owner of its substation, once: what comes from another edge is answered here.
A list is asked of all at once, each for as long a page: the first of all their rows are the first of the whole list.
An edge that does not answer, or answers nonsense, is named in the header `Smartgrid-Unreachable`, and the rest is
shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flask import Response, request
from pydantic_core import from_json

from smartgrid.http_client.client import HttpClient
from smartgrid.protocol.chargers import ChargerSpecBody, CommandBody
from smartgrid.protocol.headers import FROM_EDGE, UNREACHABLE
from smartgrid.web import charger_views
from smartgrid.web.app import answer
from smartgrid.web.charger_views import Chargers, ListQuery, Place
from smartgrid.web.passing_on import PassedOn
from smartgrid.web.problems import ProblemError

TIMEOUT_S = 2.0
FROM_US = {FROM_EDGE: "yes"}
MAX_ASKED = 8
"""Other edges at once, for one list."""


@dataclass(frozen=True, slots=True)
class Peers:
    """Who else there is: of a substation's owner the name (None for us), all others by name, and where they are. Each
    may be called from any thread."""

    owner_of: Callable[[str], str | None]
    others: Callable[[], Iterable[str]]
    url_of: Callable[[str], str]
    client_for: Callable[[str], HttpClient]


@dataclass(slots=True)
class AllChargers:
    """`charger_views.Chargers`, of all edges."""

    own: Chargers
    peers: Peers
    _clients: dict[str, HttpClient] = field(default_factory=dict)

    def page(self, query: ListQuery) -> Response:
        if FROM_EDGE in request.headers:
            return self.own.page(query)
        if query.substation is not None:
            return self._who_has(query.substation).page(query)
        return self._merged(query)

    def look(self, place: Place) -> Response:
        return self._who_has(place.substation).look(place)

    def register(self, place: Place, body: ChargerSpecBody) -> Response:
        return self._who_has(place.substation).register(place, body)

    def remove(self, place: Place) -> Response:
        return self._who_has(place.substation).remove(place)

    def command(self, place: Place, body: CommandBody) -> Response:
        return self._who_has(place.substation).command(place, body)

    def diagnostics(self, place: Place) -> Response:
        return self._who_has(place.substation).diagnostics(place)

    def _who_has(self, substation: str) -> Chargers:
        owner = None if FROM_EDGE in request.headers else self.peers.owner_of(substation)
        return self.own if owner is None else self._at(owner)

    def _at(self, name: str) -> PassedOn:
        url = self.peers.url_of(name)
        client = self._clients.get(url)
        if client is None:
            client = self._clients[url] = self.peers.client_for(url)
        return PassedOn(client, TIMEOUT_S, FROM_US)

    def _merged(self, query: ListQuery) -> Response:
        names = sorted(self.peers.others())

        def ask(name: str) -> _Page | None:
            try:
                return _read(name, self._at(name).page(query))
            except (ProblemError, ValueError):
                return None

        with ThreadPoolExecutor(min(MAX_ASKED, len(names)) or 1) as pool:
            asked = [pool.submit(copy_context().run, ask, name) for name in names]  # for whom it is, the context says
            pages = [_read(None, self.own.page(query)), *(each.result() for each in asked)]
        silent = [name for name, page in zip(names, pages[1:], strict=True) if page is None]
        whole = [page for page in pages if page is not None]
        rows = _rows(whole, query.limit, self.peers.owner_of)
        is_more = any(page.is_more for page in whole) or len(rows) > query.limit
        shown = rows[: query.limit]
        cursor = charger_views.next_cursor(_place(shown[-1])) if is_more and shown else None
        headers = {UNREACHABLE: ",".join(silent)} if silent else {}
        return answer({"chargers": shown, "next_cursor": cursor}, headers=headers)


class _Page(NamedTuple):
    """What an edge tells; `by` is its name, None for us."""

    by: str | None
    rows: list[dict[str, Any]]
    is_more: bool


def _rows(pages: list[_Page], limit: int, owner_of: Callable[[str], str | None]) -> list[dict[str, Any]]:
    """Of all pages in order; of a charger that several tell of, as where registrations are copied, what its owner says.
    One row more than `limit` at the most."""
    found: dict[Place, dict[str, Any]] = {}
    for page in pages:
        for row in page.rows:
            place = _place(row)
            if place not in found or page.by == owner_of(place.substation):
                found[place] = row
    return [found[place] for place in sorted(found)[: limit + 1]]


def _place(row: dict[str, Any]) -> Place:
    return Place(row["substation"], row["charger"])


def _read(by: str | None, response: Response) -> _Page | None:
    """None for what is no page. Raises ValueError for what is no JSON."""
    found = from_json(response.get_data())
    rows = found.get("chargers") if response.status_code == 200 and isinstance(found, dict) else None
    if not isinstance(rows, list) or not all(_is_row(each) for each in rows):
        return None
    return _Page(by, rows, found.get("next_cursor") is not None)


def _is_row(row: object) -> bool:
    return isinstance(row, dict) and all(isinstance(row.get(name), str) for name in Place._fields)
