"""Requests about chargers passed on to the edge that answers them, and its answers passed back."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from flask import Response
from pydantic import BaseModel

from smartgrid.http_client.answer import MAX_LIST_BYTES
from smartgrid.http_client.client import HttpClient, NotSentError, OutcomeUnknownError
from smartgrid.protocol import tracing
from smartgrid.protocol.chargers import ChargerSpecBody, CommandBody
from smartgrid.protocol.headers import EDGES, UNREACHABLE
from smartgrid.web import access, charger_views
from smartgrid.web.app import JSON
from smartgrid.web.charger_views import COMMAND_TIMEOUT_S, ListQuery, Place
from smartgrid.web.problems import MEDIA_TYPE, ProblemError

MARGIN_S = 2.0
"""Of who waits for somebody that waits himself: whoever is asked gives up first, and says why."""
PASSED = ("Retry-After", UNREACHABLE, EDGES)
RETRY_AFTER = {"Retry-After": "1"}


class PassedOn:
    """`charger_views.Chargers` by calls to an edge. Thread-safe."""

    def __init__(
        self, client: HttpClient, timeout_s: float, headers: Mapping[str, str] = {}, margin_s: float = 0.0
    ) -> None:
        """`headers` go with each request, besides what says for whom it is. `margin_s` more is waited for what an edge
        may have to ask all others for."""
        self._client, self._timeout_s, self._headers, self._margin_s = client, timeout_s, headers, margin_s

    def page(self, query: ListQuery) -> Response:
        asked: dict[str, object] = {"limit": query.limit}
        if query.substation is not None:
            asked["substation"] = query.substation
        if query.after is not None:
            asked["cursor"] = charger_views.next_cursor(query.after)
        return self._call("GET", f"/chargers?{urlencode(asked)}", may_ask_all=True)

    def look(self, place: Place) -> Response:
        return self._call("GET", _path(place), may_ask_all=True)

    def register(self, place: Place, body: ChargerSpecBody) -> Response:
        return self._call("PUT", _path(place), body)

    def remove(self, place: Place) -> Response:
        return self._call("DELETE", _path(place))

    def command(self, place: Place, body: CommandBody) -> Response:
        return self._call("POST", f"{_path(place)}/commands", body, COMMAND_TIMEOUT_S + MARGIN_S, resend=False)

    def diagnostics(self, place: Place) -> Response:
        return self._call("GET", f"{_path(place)}/diagnostics")

    def _call(
        self,
        method: str,
        path: str,
        body: BaseModel | None = None,
        timeout_s: float = 0.0,
        *,
        resend: bool = True,
        may_ask_all: bool = False,
    ) -> Response:
        """Raises a problem: 503 where nothing was done, or it may be repeated as it is, 504 where it may not."""
        sent = {**self._headers, **access.outgoing(), **tracing.outgoing()}
        if body is not None:
            sent["Content-Type"] = JSON
        try:
            found = self._client.request(
                method,
                path,
                timeout_s=timeout_s or self._timeout_s + (self._margin_s if may_ask_all else 0.0),
                body=None if body is None else body.model_dump_json(exclude_unset=True).encode(),
                headers=sent,
                resend=resend,
                max_answer_bytes=MAX_LIST_BYTES,
            )
        except (NotSentError, OutcomeUnknownError) as error:
            if resend or isinstance(error, NotSentError):
                detail = "The edge, where the chargers are, does not answer. Try again."
                raise ProblemError(503, charger_views.UNREACHABLE, detail, headers=RETRY_AFTER) from error
            detail = "The edge did not answer; the charger may have done it."
            raise ProblemError(504, "outcome-unknown", detail, headers=RETRY_AFTER) from error
        if found.status >= 300 and found.headers.get("Content-Type") != MEDIA_TYPE:
            detail = f"The edge's URL does not lead to an edge: it answered {found.status} without a problem document."
            raise ProblemError(502, "bad-upstream", detail, headers=RETRY_AFTER)
        passed = {name: value for name in PASSED if (value := found.headers.get(name)) is not None}
        return Response(found.body, found.status, passed, content_type=JSON if found.status < 400 else MEDIA_TYPE)


class NoEdge(PassedOn):
    """`charger_views.Chargers` of a grid without chargers of its own: there is nobody to pass anything on to."""

    def __init__(self) -> None:
        pass

    def _call(self, *call: object, **options: object) -> Response:
        detail = "This grid has no edge, so it knows no chargers: start one, and set SMARTGRID_EDGE_URL."
        raise ProblemError(404, charger_views.NO_EDGE, detail)


def _path(place: Place) -> str:
    return f"/chargers/{quote(place.substation, safe='')}/{quote(place.charger, safe='')}"
