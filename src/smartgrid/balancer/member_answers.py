"""What members answer about sessions, checked, and in this balancer's own terms.

A member's answer goes on to a client. What is no session, or has an id that cannot be one, is no answer at all: it must
not become an error of this balancer, nor a header or a path somewhere else. Fields that this version does not know are
passed on, as a member may be newer.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import from_json

from smartgrid.protocol import session_id as ids
from smartgrid.protocol.models import SessionBody, SessionId, WireModel

MAX_CURSOR = 1000


def _path(value: str) -> str:
    if value and not ids.is_path(value):
        raise ValueError("must be the path of a session")
    return value


def _cursor(value: str | None) -> str | None:
    if value is not None and len(value) > MAX_CURSOR:
        raise ValueError(f"must have {MAX_CURSOR} characters at the most")
    return value


class _Session(SessionBody):
    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False, frozen=True)

    session_id: SessionId
    superseded_by: Annotated[str, AfterValidator(_path)] = ""


class _Page(WireModel):
    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False, frozen=True)

    sessions: list[_Session]
    next_cursor: Annotated[str | None, AfterValidator(_cursor)]


_SESSION, _PAGE = TypeAdapter(_Session), TypeAdapter(_Page)


def session(member: str, body: bytes) -> dict[str, Any] | None:
    """A member's session as this balancer shows it, or None for what is none."""
    try:
        _SESSION.validate_json(body)
    except ValidationError:
        return None
    return _raised(member, from_json(body))


def page(member: str, body: bytes) -> tuple[list[dict[str, Any]], str | None] | None:
    """A member's sessions as this balancer shows them, and its `next_cursor`; None for what is no page."""
    try:
        _PAGE.validate_json(body)
    except ValidationError:
        return None
    found = from_json(body)
    return [_raised(member, each) for each in found["sessions"]], found["next_cursor"]


def problem(body: bytes) -> dict[str, Any]:
    """A member's problem document; empty for what is none."""
    try:
        found = from_json(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _raised(member: str, found: dict[str, Any]) -> dict[str, Any]:
    inner = found["session_id"]
    found["substation"] = ids.place(member, inner, found["substation"])
    found["session_id"] = ids.prefixed(member, inner)
    if found.get("superseded_by"):
        found["superseded_by"] = ids.path_up(member, found["superseded_by"])
    return found
