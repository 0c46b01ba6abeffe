"""The session that an answer of the balancer has."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from smartgrid.http_client.answer import Answer

HAVE_ONE = (200, 201, 202)


def session_of(found: Answer) -> dict[str, Any] | None:
    """None where it has none that can be read."""
    if found.status not in HAVE_ONE:
        return None
    try:
        session = from_json(found.body)
    except ValueError:
        return None
    return session if isinstance(session, dict) and isinstance(session.get("session_id"), str) else None
