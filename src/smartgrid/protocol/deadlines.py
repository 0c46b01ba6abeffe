"""How long the sender of a request still waits for the answer, said with the request (docs/protocol.md, "Deadlines").

It is a duration, in milliseconds, and no time of day: clocks disagree, and what a request takes on its way is short
beside what it may wait in a queue. The receiver counts from when the request had come whole. What it says is believed
within bounds; anything else is as good as no header, so that the receiver's own limits hold.

Pure: times are arguments, all of one monotonic clock.
"""

from __future__ import annotations

import math

MAX_LEFT_S = 60.0
"""No service may be set to wait for longer."""
ANSWER_WAY_S = 0.05
"""What a balancer leaves of the asker's time for its answer, so that it comes before it is given up."""
_MAX_DIGITS = 5


def encode(left_s: float) -> str:
    """The header's value; whole milliseconds, rounded down, as no one must believe that there is more."""
    return str(int(1000 * min(max(left_s, 0.0), MAX_LEFT_S)))


def decode(text: str | None) -> float | None:
    """The seconds that are left, or None for what says nothing that can be."""
    if not text or len(text) > _MAX_DIGITS or not (text.isascii() and text.isdigit()):
        return None
    left_s = int(text) / 1000
    return left_s if left_s <= MAX_LEFT_S else None


def end_s(text: str | None, came_s: float) -> float:
    """Until when the sender waits, of a request that came at `came_s`; infinity where it does not say."""
    left_s = decode(text)
    return math.inf if left_s is None else came_s + left_s
