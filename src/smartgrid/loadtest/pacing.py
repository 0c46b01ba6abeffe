"""When each request is due. Pure."""

import math
from collections.abc import Sequence
from datetime import datetime


def ramp_due_s(index: int, requests: int, ramp_up_s: float) -> float:
    """Seconds after the start at which request `index` of `requests` is due.

    Users come in evenly over the ramp-up and each asks at the same pace, so the number of requests grows with the
    square of time: the k-th of N is due at ramp_up * sqrt(k / N). A ramp-up of 0 makes all due at once.
    """
    return ramp_up_s * math.sqrt(index / requests)


def replay_due_s(arrivals: Sequence[datetime], speedup: float) -> list[float]:
    """Seconds after the start at which recorded arrivals (in order) are due, the first at 0."""
    return [(arrival - arrivals[0]).total_seconds() / speedup for arrival in arrivals]
