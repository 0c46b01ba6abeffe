"""One OCPP-J message: from text to what it is, and back. Pure.

A message is a JSON array that begins with its type. What cannot be read is `Unreadable`, with the CALLERROR that its
sender is to get, if any: none is ever sent to what may itself be an answer, else two sides could go on for ever.
"""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

from pydantic_core import from_json

from smartgrid.edge.ports import OcppVersion, Payload

CALL, CALLRESULT, CALLERROR, CALLRESULTERROR, SEND = 2, 3, 4, 5, 6
NO_ID = "-1"
"""The message id of a CALLERROR to what has none (OCPP 2.0.1 part 4, 4.2.3)."""
MAX_ID_LENGTH = 64
"""OCPP says 36; some chargers take more."""
MAX_DESCRIPTION = 255
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_FLAT = bytes.maketrans(b"123456789E+", b"000000000e0")
_LARGE_EXPONENT, _MANY_DIGITS = b"0e000", b"0" * 200
"""Where all digits are 0: where there may be a number too large for a float, which JSON allows and jiter reads as
infinite. Texts can look so too, so then all values are looked at. A tenth of what a regular expression costs."""

_COMMON_CODES = frozenset({
    "NotImplemented", "NotSupported", "ProtocolError", "SecurityError", "PropertyConstraintViolation",
    "TypeConstraintViolation", "GenericError",
})  # fmt: skip
CODES = {
    OcppVersion.V16: _COMMON_CODES | {"FormationViolation", "OccurenceConstraintViolation"},
    OcppVersion.V201: _COMMON_CODES
    | {"FormatViolation", "OccurrenceConstraintViolation", "RpcFrameworkError", "MessageTypeNotSupported"},
}
CODES[OcppVersion.V21] = CODES[OcppVersion.V201]
"""The codes of CALLERRORs, but for InternalError: what is our own trouble is no answer to a charger."""


class Call(NamedTuple):
    """Something is asked. A SEND (2.1) is the same without an answer."""

    message_id: str
    action: str
    payload: dict[str, Any]
    wants_answer: bool = True


class Result(NamedTuple):
    """An answer; `payload` is None where it is no object."""

    message_id: str
    payload: dict[str, Any] | None


class Refusal(NamedTuple):
    """A CALLERROR, or the CALLRESULTERROR of 2.1 if `is_of_result`."""

    message_id: str
    code: str
    description: str
    is_of_result: bool = False


class Unreadable(NamedTuple):
    """`reply` is the CALLERROR to send, if any."""

    why: str
    reply: str | None


Frame = Call | Result | Refusal | Unreadable


def parse(data: bytes | bytearray, version: OcppVersion) -> Frame:
    """Read one message. Never raises."""
    found = _read(data)
    if isinstance(found, str):
        return _unreadable(found, version)
    kind, message_id = found[0], found[1] if len(found) > 1 else None
    if not isinstance(message_id, str) or not 1 <= len(message_id) <= MAX_ID_LENGTH:
        message_id = None
    if kind == CALL or (kind == SEND and version is OcppVersion.V21):
        return _call(found, kind, message_id, version)
    if kind == CALLRESULT and message_id is not None:
        payload = found[2] if len(found) > 2 else None
        return Result(message_id, payload if isinstance(payload, dict) else None)
    if kind == CALLERROR or (kind == CALLRESULTERROR and version is OcppVersion.V21):
        return Refusal(message_id or NO_ID, _text(found, 2, 64), _text(found, 3, 255), kind == CALLRESULTERROR)
    return _unknown_type(kind, message_id, version)


def _read(data: bytes | bytearray) -> list[Any] | str:
    """The array, or why it is none."""
    try:
        found = from_json(data, allow_inf_nan=False)
    except ValueError:
        return "not JSON"
    if not isinstance(found, list) or not found or type(found[0]) is not int:
        return "no array that begins with a message type"
    flat = data.translate(_FLAT)
    may_be_infinite = _LARGE_EXPONENT in flat or _MANY_DIGITS in flat
    return "a number without bounds" if may_be_infinite and not _is_finite(found) else found


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _unknown_type(kind: int, message_id: str | None, version: OcppVersion) -> Unreadable:
    """1.6 wants it ignored (OCPP-J 1.6, 4.1.3), 2.0.1 refused. An answer without an id is never answered."""
    if version is OcppVersion.V16 or kind == CALLRESULT:
        return Unreadable("an answer without a message id" if kind == CALLRESULT else "an unknown message type", None)
    refusal = call_error(message_id or NO_ID, "MessageTypeNotSupported", "The message type must be 2, 3 or 4.")
    return Unreadable("an unknown message type", refusal)


def _call(found: list[Any], kind: int, message_id: str | None, version: OcppVersion) -> Frame:
    if len(found) == 4 and message_id is not None:
        action, payload = found[2:]
        if isinstance(action, str) and isinstance(payload, dict):
            return Call(message_id, action, payload, kind == CALL)
    if kind == SEND:
        return Unreadable("a SEND must be [6, id, action, {...}]", None)
    return _unreadable("a CALL must be [2, id, action, {...}]", version, message_id)


def _unreadable(why: str, version: OcppVersion, message_id: str | None = None) -> Unreadable:
    if version is OcppVersion.V16:
        code = "FormationViolation"
    else:
        code = "RpcFrameworkError" if message_id is None else "FormatViolation"
    return Unreadable(why, call_error(message_id or NO_ID, code, f"The message was not understood: {why}."))


def _text(found: list[Any], index: int, length: int) -> str:
    return str(found[index])[:length] if len(found) > index else ""


def call(message_id: str, action: str, payload: Payload) -> str:
    """A CALL as text. Raises ValueError for what is no JSON."""
    return _dump([CALL, message_id, action, payload])


def call_result(message_id: str, payload: Payload) -> str:
    """A CALLRESULT as text. Raises ValueError for what is no JSON."""
    return _dump([CALLRESULT, message_id, payload])


def call_error(message_id: str, code: str, description: str) -> str:
    """A CALLERROR as text."""
    return _dump([CALLERROR, message_id, code, description[:MAX_DESCRIPTION], {}])


def _dump(message: list[Any]) -> str:
    try:
        return _encode(message)
    except TypeError as error:
        raise ValueError(str(error)) from error
