"""The API of chargers where several edges share the substations: whichever is asked, the one that has the charger
answers.

A request about one charger goes on to the owner of its substation, once: what comes from another edge is answered here.
A list is asked of all at once, each for as long a page: the first of all their rows are the first of the whole list.
An edge that does not answer, or answers nonsense, is named in the header `Smartgrid-Unreachable`, and the rest is
shown.

Who owns a substation is not always who has its chargers. While edges come and go each learns of it at another moment,
and a charger that is to move stays where it is until its turn. So of a charger that several tell of, the word of the
edge counts that it is connected to; also the list of one substation is asked of all; and a charger that is not
connected at its owner is looked for at the others. An edge that was not seen here yet may have chargers as well. It has
asked for registrations before it let in the first (`Peers.others` has who did), and each edge tells in its answer, in
the header `Smartgrid-Edges`, whom it knows: those are asked too. So a charger that is connected all the time is in each
list that names nobody as missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

from flask import Response, request
from pydantic_core import from_json

from smartgrid.http_client.client import HttpClient
from smartgrid.protocol.chargers import ChargerSpecBody, CommandBody
from smartgrid.protocol.headers import EDGES, FROM_EDGE, UNREACHABLE
from smartgrid.protocol.models import MEMBER_NAME
from smartgrid.web import charger_views, deadlines
from smartgrid.web.app import answer
from smartgrid.web.charger_views import Chargers, ListQuery, Place
from smartgrid.web.passing_on import PassedOn
from smartgrid.web.problems import ProblemError

TIMEOUT_S = 2.0
LIST_TIMEOUT_S = 3.5
"""For all of a list: longer than for one charger, as one busy edge spoils all of it; a gateway waits longer still."""
LEAST_TIMEOUT_S = 0.2
FROM_US = {FROM_EDGE: "yes"}
MAX_ASKED = 8
"""Other edges at once, for one list."""
MAX_EDGES = 64


@dataclass(frozen=True, slots=True)
class Peers:
    """Who else there is: of a substation's owner the name, all others by name, and where they are (None where nobody
    knows). Each may be called from any thread."""

    own_name: str
    owner_of: Callable[[str], str]
    others: Callable[[], Iterable[str]]
    url_of: Callable[[str], str | None]
    client_for: Callable[[str], HttpClient]


@dataclass(slots=True)
class AllChargers:
    """`charger_views.Chargers`, of all edges."""

    own: Chargers
    peers: Peers
    _clients: dict[str, HttpClient] = field(default_factory=dict)

    def page(self, query: ListQuery) -> Response:
        is_asked_by_edge = FROM_EDGE in request.headers
        return self._with_edges(self.own.page(query)) if is_asked_by_edge else self._merged(query)

    def look(self, place: Place) -> Response:
        """As its owner knows it, unless it is connected to another edge."""
        if FROM_EDGE in request.headers:
            return self._with_edges(_tried(lambda: self.own.look(place)))
        end_s, owner = _list_end_s(), self.peers.owner_of(place.substation)
        found = _tried(lambda: self._who_has(place.substation).look(place))
        if _is_connected(found):
            return found
        said = self._all(lambda edge: edge.look(place), end_s, {owner: found})
        return next(filter(_is_connected, said.values()), found)

    def register(self, place: Place, body: ChargerSpecBody) -> Response:
        return self._who_has(place.substation).register(place, body)

    def remove(self, place: Place) -> Response:
        return self._who_has(place.substation).remove(place)

    def command(self, place: Place, body: CommandBody) -> Response:
        return self._where_it_is(place, lambda edge: edge.command(place, body))

    def diagnostics(self, place: Place) -> Response:
        return self._where_it_is(place, lambda edge: edge.diagnostics(place))

    def _where_it_is(self, place: Place, ask: Callable[[Chargers], Response]) -> Response:
        """Of its owner; if it is not connected there, so that nothing was done, of the edge that it is connected to."""
        found = _tried(lambda: ask(self._who_has(place.substation)))
        if FROM_EDGE in request.headers or not _is_elsewhere(found):
            return found
        row = _read(self.look(place))
        edge = row.get("edge") if row is not None and row.get("connected") else None
        if not isinstance(edge, str):
            return found
        return ask(self.own if edge == self.peers.own_name else self._at(edge, TIMEOUT_S))

    def _who_has(self, substation: str) -> Chargers:
        owner = self.peers.own_name if FROM_EDGE in request.headers else self.peers.owner_of(substation)
        return self.own if owner == self.peers.own_name else self._at(owner, TIMEOUT_S)

    def _at(self, name: str, timeout_s: float) -> PassedOn:
        """Raises a problem (503) for one of which nobody knows where it is."""
        url = self.peers.url_of(name)
        if url is None:
            raise ProblemError(503, charger_views.UNREACHABLE, f"It is not known where the edge {name} is. Try again.")
        client = self._clients.get(url)
        if client is None:
            client = self._clients[url] = self.peers.client_for(url)
        return PassedOn(client, timeout_s, FROM_US)

    def _merged(self, query: ListQuery) -> Response:
        said = self._all(lambda edge: edge.page(query), _list_end_s(), {})
        pages = {name: page for name, response in said.items() if (page := _read_page(response)) is not None}
        silent = sorted(said.keys() - pages.keys())
        rows = _rows(pages, query.limit, self.peers.owner_of)
        is_more = any(page.get("next_cursor") is not None for page in pages.values()) or len(rows) > query.limit
        shown = rows[: query.limit]
        cursor = charger_views.next_cursor(_place(shown[-1])) if is_more and shown else None
        headers = {UNREACHABLE: ",".join(silent)} if silent else {}
        return answer({"chargers": shown, "next_cursor": cursor}, headers=headers)

    def _all(
        self, ask: Callable[[Chargers], Response], end_s: float, said: Mapping[str, Response]
    ) -> dict[str, Response]:
        """What each edge answers by `end_s`, also one that only another knows. Some have `said` it already."""
        own_name, found = self.peers.own_name, dict(said)

        def ask_at(name: str) -> Response:
            left_s = max(LEAST_TIMEOUT_S, end_s - time.monotonic())
            return _tried(lambda: ask(self.own if name == own_name else self._at(name, left_s)))

        known = {own_name, *self.peers.others()}
        while names := sorted((known | _edges(found.values())) - found.keys())[:MAX_EDGES]:
            with ThreadPoolExecutor(min(MAX_ASKED, len(names))) as pool:
                asked = [(name, pool.submit(copy_context().run, ask_at, name)) for name in names]
            found |= {name: each.result() for name, each in asked}  # for whom it is, the context says
            if len(found) > MAX_EDGES:
                break
        return found

    def _with_edges(self, response: Response) -> Response:
        """For another edge: with whom this one knows."""
        response.headers[EDGES] = ",".join(sorted(self.peers.others()))
        return response


def _list_end_s() -> float:
    """Until when the others are waited for, on the monotonic clock."""
    return min(deadlines.work_end_s(), time.monotonic() + LIST_TIMEOUT_S)


def _edges(said: Iterable[Response]) -> set[str]:
    """Of whom these tell."""
    names = {name for each in said for name in each.headers.get(EDGES, "").split(",")}
    return {name for name in names if MEMBER_NAME.fullmatch(name)}


def _rows(pages: Mapping[str, dict[str, Any]], limit: int, owner_of: Callable[[str], str]) -> list[dict[str, Any]]:
    """Of the pages of all edges in order, one row more than `limit` at the most. Of a charger that several tell of, as
    where it has moved or its registration is copied, what that one says that it is connected to, else its owner."""
    found: dict[Place, tuple[tuple[bool, bool], dict[str, Any]]] = {}
    for edge, page in pages.items():
        for row in page["chargers"]:
            place = _place(row)
            worth = bool(row.get("connected")), owner_of(place.substation) == edge
            if place not in found or worth > found[place][0]:
                found[place] = worth, row
    return [found[place][1] for place in sorted(found)[: limit + 1]]


def _place(row: dict[str, Any]) -> Place:
    return Place(row["substation"], row["charger"])


def _tried(ask: Callable[[], Response]) -> Response:
    """The answer, a problem too."""
    try:
        return ask()
    except ProblemError as problem:
        return problem.response()


def _is_connected(response: Response) -> bool:
    row = _read(response)
    return row is not None and bool(row.get("connected"))


def _is_elsewhere(response: Response) -> bool:
    """Whether an answer about a charger is that it is not there."""
    if response.status_code == 409:
        return charger_views.OFFLINE in response.get_data(as_text=True)
    found = _read(response)
    if found is None:
        return response.status_code == 404
    charger = found.get("charger")
    return isinstance(charger, dict) and not charger.get("connected", True)


def _read_page(response: Response) -> dict[str, Any] | None:
    """None of what is no page: a problem, or nonsense of a broken edge."""
    found = _read(response)
    rows = None if found is None else found.get("chargers")
    return found if isinstance(rows, list) and all(map(_is_row, rows)) else None


def _is_row(row: object) -> bool:
    return isinstance(row, dict) and all(isinstance(row.get(name), str) for name in Place._fields)


def _read(response: Response) -> dict[str, Any] | None:
    """None of a problem, and of what is no JSON object."""
    if response.status_code != 200:
        return None
    try:
        found = from_json(response.get_data())
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
