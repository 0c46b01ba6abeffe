"""The chargers of a substation, as the console's panel shows them: read from the edge while somebody looks."""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import urlencode

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import to_json

from smartgrid.balancer.console.cached import Cached, busy
from smartgrid.http_client.answer import MAX_LIST_BYTES, Answer
from smartgrid.http_client.client import HttpClient, NotSentError, OutcomeUnknownError
from smartgrid.protocol import session_id as ids
from smartgrid.protocol import tracing
from smartgrid.protocol.chargers import ChargerBody, ChargersPage, ConnectorBody
from smartgrid.web.problems import ProblemError

LIFE_S = 1.0
TIMEOUT_S = 1.7
MAX_CHARGERS = 500
"""Of one substation, shown."""
MAX_OPEN = 64
MAX_ASKED = 2
"""At once: the edge may hang, and each takes a thread."""
COLUMNS = (
    "charger",
    "connector",
    "connected",
    "status",
    "session_id",
    "currents_a",
    "limit_a",
    "power_kw",
    "offer_kw",
    "held_kw",
    "obedience",
    "since",
)


class _Connector(ConnectorBody):
    """A newer edge may tell more."""

    model_config = ConfigDict(extra="ignore")


class _Charger(ChargerBody):
    model_config = ConfigDict(extra="ignore")

    connectors: list[_Connector]  # type: ignore[assignment]


class _Page(ChargersPage):
    model_config = ConfigDict(extra="ignore")

    chargers: list[_Charger]  # type: ignore[assignment]


_PAGE = TypeAdapter(_Page)


class Chargers:
    """What viewers of one substation's chargers share for a moment. Thread-safe."""

    def __init__(self, client: HttpClient | None) -> None:
        """`client` is of the edge; None where there is none."""
        self._client = client
        self._found: dict[str, Cached] = {}
        self._lock = threading.Lock()
        self._asking = threading.BoundedSemaphore(MAX_ASKED)

    @property
    def has_edge(self) -> bool:
        return self._client is not None

    def get(self, substation: str) -> bytes:
        """Rows of COLUMNS, a row for each connector. Raises a problem: 404 without an edge, 503 where it is silent."""
        client = self._client
        if client is None:
            raise ProblemError(404, "no-edge", "This grid has no edge, so it knows no chargers.")
        with self._lock:
            if substation not in self._found and len(self._found) >= MAX_OPEN:
                self._found.clear()
            cached = self._found.setdefault(substation, Cached(lambda: self._make(client, substation), LIFE_S))
        return cached.get()

    def _make(self, client: HttpClient, substation: str) -> bytes:
        if not self._asking.acquire(blocking=False):
            raise busy()
        try:
            page = _page(_ask(client, substation))
        finally:
            self._asking.release()
        rows = [row for charger in page.chargers for row in _rows(substation, charger)]
        return to_json({"columns": COLUMNS, "connectors": rows, "more": page.next_cursor is not None})


def _ask(client: HttpClient, substation: str) -> Answer:
    path = f"/chargers?{urlencode({'substation': substation, 'limit': MAX_CHARGERS})}"
    try:
        return client.request(
            "GET", path, timeout_s=TIMEOUT_S, headers=tracing.outgoing(), max_answer_bytes=MAX_LIST_BYTES
        )
    except (NotSentError, OutcomeUnknownError) as error:
        raise _silent() from error


def _page(answer: Answer) -> _Page:
    if answer.status != 200:
        raise _silent()
    try:
        return _PAGE.validate_json(answer.body)
    except ValidationError as error:
        raise _silent() from error


def _rows(substation: str, charger: ChargerBody) -> list[list[Any]]:
    """The charger's connectors; one row without a connector where none is known yet."""
    if not charger.connectors:
        return [[charger.charger, None, charger.connected, *[None] * 7, charger.obedience, charger.since]]
    return [
        [
            charger.charger,
            each.connector,
            charger.connected,
            each.status,
            None if each.session_id is None else ids.prefixed(substation, each.session_id),
            each.currents_a,
            each.limit_a,
            each.power_kw,
            each.offer_kw,
            each.held_kw,
            each.obedience,
            charger.since,
        ]
        for each in charger.connectors
    ]


def _silent() -> ProblemError:
    return ProblemError(503, "edge-unavailable", "The edge, where the chargers are, does not answer.")
