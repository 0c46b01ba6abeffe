"""The request id, carried through all services as a W3C trace context (https://www.w3.org/TR/trace-context/)."""

from __future__ import annotations

import random
import re
import secrets
from contextvars import ContextVar

HEADER = "traceparent"
REQUEST_ID_HEADER = "X-Request-ID"
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_TRACEPARENT = re.compile(
    rf"00-({_TRACE_ID.pattern})-(?!0{{16}})[0-9a-f]{{16}}-[0-9a-f]{{2}}"
    rf"|(?!00|ff)[0-9a-f]{{2}}-({_TRACE_ID.pattern})-(?!0{{16}})[0-9a-f]{{16}}-[0-9a-f]{{2}}(?:-.*)?"  # later versions
)

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_span: ContextVar[tuple[str, bool] | None] = ContextVar("span", default=None)


def begin(traceparent: str | None, request_id: str | None = None) -> str:
    """Take over the caller's trace id, or begin a trace; returns the request id, which is the trace id."""
    found = _from_traceparent(traceparent) or _from_request_id(request_id) or secrets.token_hex(16)
    _request_id.set(found)
    _span.set(None)
    return found


def within_span(span_id: str, *, sampled: bool) -> None:
    """What this request causes is a part of this span (16 hex digits) of its trace."""
    _span.set((span_id, sampled))


def current() -> str | None:
    """The id of the request that this thread handles."""
    return _request_id.get()


def outgoing() -> dict[str, str]:
    """The headers that carry the present trace to the next service."""
    return {HEADER: outgoing_value()}


def outgoing_value() -> str:
    """The `traceparent` that carries the present trace to the next service."""
    request_id = _request_id.get() or begin(None)
    # A span id is no secret, so it need not cost a system call.
    span_id, sampled = _span.get() or (f"{random.getrandbits(64):016x}", True)
    return f"00-{request_id}-{span_id}-{'01' if sampled else '00'}"


def _from_traceparent(value: str | None) -> str | None:
    match = _TRACEPARENT.fullmatch(value.strip()) if value else None
    return match and (match[1] or match[2])


def _from_request_id(value: str | None) -> str | None:
    plain = value.replace("-", "").lower() if value else ""
    return plain if _TRACE_ID.fullmatch(plain) else None


def unsampled() -> dict[str, str]:
    """The same for what goes on long after the request: part of its trace in logs, but no spans of it are wanted."""
    return {HEADER: f"{outgoing_value()[:-2]}00"}
