"""What the grid says of itself, by its gateway's API: substations with their capacities, and sessions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from smartgrid.auth.credentials import Headers
from smartgrid.http_client.client import HttpClient, NotSentError, OutcomeUnknownError
from smartgrid.loadtest.chargers.report import SessionSeen

TIMEOUT_S = 10.0
PAGE = 1000
MAX_PAGES = 10_000


class NoAnswerError(Exception):
    """The gateway did not say; the message is why."""


class GridView:
    def __init__(self, url: str, credential: Headers) -> None:
        self._client = HttpClient(url, connect_timeout_s=TIMEOUT_S, extra_headers=credential)

    def close(self) -> None:
        self._client.close()

    def capacities_kw(self) -> dict[str, float]:
        """By the substation's name. Raises NoAnswerError."""
        rows = self._get("/substations").get("substations")
        return {
            str(row["name"]): float(row["capacity_kw"])
            for row in (rows if isinstance(rows, list) else [])
            if isinstance(row, dict) and isinstance(row.get("capacity_kw"), int | float) and "name" in row
        }

    def sessions(self) -> Iterator[SessionSeen]:
        """All that the gateway shows. Raises NoAnswerError."""
        cursor: str | None = ""
        for _ in range(MAX_PAGES):
            page = self._get(f"/sessions?{urlencode({'limit': PAGE, **({'cursor': cursor} if cursor else {})})}")
            for row in page.get("sessions", []):
                yield SessionSeen(str(row["vehicle_id"]), float(row["delivered_kwh"]), row["ended_at"] is not None)
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def _get(self, path: str) -> Mapping[str, Any]:
        try:
            answer = self._client.request("GET", path, timeout_s=TIMEOUT_S)
            document = json.loads(answer.body) if answer.status == 200 else None
        except (NotSentError, OutcomeUnknownError, ValueError) as problem:
            raise NoAnswerError(f"GET {path.partition('?')[0]}: {problem}") from None
        if not isinstance(document, dict):
            raise NoAnswerError(f"GET {path.partition('?')[0]} answered with {answer.status}")
        return document
