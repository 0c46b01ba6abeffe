"""Cursors: opaque to clients, and refused with a sentence when they are not ours."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from pydantic_core import from_json, to_json

from smartgrid.web.problems import ProblemError


def encode(position: list[Any]) -> str:
    return base64.urlsafe_b64encode(to_json(position)).decode().rstrip("=")


def decode(cursor: str, *types: type) -> list[Any]:
    """The position, checked to be of these types. Raises a problem (422)."""
    try:
        position = from_json(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        position = None
    if not isinstance(position, list) or len(position) != len(types) or not all(map(isinstance, position, types)):
        raise wrong_cursor()
    return position


def wrong_cursor() -> ProblemError:
    return ProblemError(422, "invalid-request", "cursor must be the next_cursor of a page before.")
