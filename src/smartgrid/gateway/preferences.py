"""The header `Prefer` (RFC 7240): of its preferences this gateway honours `respond-async`, and ignores all others."""

from __future__ import annotations

from werkzeug.http import parse_list_header

PREFER, APPLIED = "Prefer", "Preference-Applied"
RESPOND_ASYNC = "respond-async"


def wants_async(prefer: str | None) -> bool:
    """Whether the client would rather be told of its session later than be refused now."""
    if prefer is None:
        return False
    return any(_name(preference) == RESPOND_ASYNC for preference in parse_list_header(prefer))


def _name(preference: str) -> str:
    """Of a preference with its value and its parameters: `wait=10; strict` is `wait`."""
    return preference.partition(";")[0].partition("=")[0].strip().lower()
