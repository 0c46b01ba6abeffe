"""In which order the members of a fleet are asked for a car."""

from __future__ import annotations

from enum import IntEnum


class Standing(IntEnum):
    """How a member stands. One is asked only when none before it could take the car, and `reserve` says how far down.

    The first two are in rotation: their power counts in the fleet's totals.
    """

    FIRST = 0
    LAST = 1
    """In rotation, and slow, or about to be taken away once it is empty: asked when no other has room."""
    SPARED = 2
    """Out of rotation, as it has let cars down, and yet better than to refuse a car."""
    OUT = 3
    """Out of rotation, as it does not answer."""
    NONE = 4
    """Not asked at all."""


IN_ROTATION = (Standing.FIRST, Standing.LAST)
