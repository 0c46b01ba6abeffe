"""Fields of messages as chargers really fill them: a wrong type, an empty string or nothing is None, never an error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

MAX_TEXT = 500


def text(value: Any, longest: int = MAX_TEXT) -> str:
    """A text without its outer spaces and what cannot be printed; empty where there is none."""
    if type(value) is str and len(value) <= longest and value.isprintable():
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return "".join(c for c in str(value)[: 4 * longest].strip() if c.isprintable())[:longest]


def number(value: Any) -> float | None:
    """A finite number, also one that is written as a text (with a decimal comma, too)."""
    try:
        if type(value) is str:
            found = float(value.replace(",", ".") if "," in value else value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found = float(value)
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def integer(value: Any) -> int | None:
    """A whole number, also one that is written as a text or with `.0`."""
    found = number(value)
    return int(found) if found is not None and found == int(found) and abs(found) < 2**53 else None


def mapping(value: Any) -> Mapping[str, Any]:
    """An object; an empty one where there is none."""
    return value if isinstance(value, dict) else {}


def items(value: Any, most: int = 1000) -> list[Mapping[str, Any]]:
    """The objects of a list, `most` of them; a single object is a list of one."""
    if isinstance(value, dict):
        return [value]
    return [each for each in value[:most] if isinstance(each, dict)] if isinstance(value, list) else []
