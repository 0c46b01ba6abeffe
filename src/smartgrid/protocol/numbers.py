"""Numbers of tries: of two tries with one key, the later has the greater number (docs/protocol.md).

The gateway numbers a try with the time, in microseconds since 1970, strictly growing. A balancer that sends the car to
one substation after the other appends which attempt this is, counted from 0, and a number of its own that it draws
when it starts. So the attempts of one try are numbered on from the try, no two attempts anywhere have the same number,
and a balancer behind a balancer does just the same with the number that it gets:

    1795391275132946             a try, as the gateway numbers it
    1795391275132947             the gateway's second sending of it, where the first was not answered
    1795391275132946.1.77        the second attempt that balancer 77 makes of it
    1795391275132946.1.77.0.58   the first attempt that the region's balancer 58 makes of that

A move of a waiting car is numbered on from the session as it was read, and what ends the waiting from that again. So
whatever is first, the start of the car where it waits, its end, or its move, wins over the moves that are under way:

    1795391275132946.0.77.0.58.3 the third move that balancer 58 makes, of the car that waits there
    1795391275132946.0.77.1      that car has started, or has left the list

Numbers compare part by part, as Python compares tuples.
"""

from __future__ import annotations

import secrets
import threading
import time

Number = tuple[int, ...]

ZERO: Number = (0,)
MAX_PARTS = 16  # four balancers one behind the other, and moves of a waiting car between them
MAX_PART = 2**53  # what JSON carries exactly; microseconds since 1970 stay below it until 2255
MAX_TEXT = 17 * MAX_PARTS
PATTERN = rf"[0-9]{{1,16}}(\.[0-9]{{1,16}}){{0,{MAX_PARTS - 1}}}"
CLOCK_TOLERANCE_S = 60.0
"""How far ahead of one's own clock a number is believed."""


SENDINGS = 2
"""A gateway may send a try a second time, with the number after the first one's."""


class NumberSource:
    """Numbers tries by the time of day. Strictly growing, also when the clock is set back. Thread-safe.

    It leaves the number after each for a second sending.
    """

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> Number:
        with self._lock:
            self._last = max(self._last + SENDINGS, time.time_ns() // 1000)
            return (self._last,)


def draw_balancer_id() -> int:
    """A number of a balancer's own, so that two balancers never number two attempts alike."""
    return secrets.randbelow(2**31)


def second_sending(try_number: Number) -> Number:
    """The number with which a gateway sends a try again.

    Above the first sending, which may be under way still. Below the client's next try, whenever it is sent: the client
    has given this one up by then, and a number made anew from the time would let it win.
    """
    return (try_number[0] + 1, *try_number[1:])


def attempt(try_number: Number, hop: int, balancer_id: int) -> Number:
    """The number of the attempt `hop` (0, 1, ...) that a balancer makes of a try."""
    return (*try_number, hop, balancer_id)


def move(waiting: Number, balancer_id: int, nth: int) -> Number:
    """The number of the `nth` move that a balancer makes, of a car whose waiting session has this number."""
    return (*waiting, 0, balancer_id, nth)


def settled(waiting: Number) -> Number:
    """The number of a session that waits no more: above all moves of it, below every later try and attempt."""
    return (*waiting, 1)


def encode(number: Number) -> str:
    return ".".join(map(str, number))


def decode(text: str | None) -> Number | None:
    """The number in a header or a query, or None where there is none that could be one."""
    if not text or len(text) > MAX_TEXT or not text.isascii():
        return None
    parts = text.split(".")
    if len(parts) > MAX_PARTS or not all(part.isdigit() and len(part) <= 16 for part in parts):
        return None
    number = tuple(map(int, parts))
    return number if max(number) <= MAX_PART else None


def is_believable(number: Number, now_s: float, tolerance_s: float = CLOCK_TOLERANCE_S) -> bool:
    """Whether the try may have been made by `now_s` (seconds since 1970), as clocks disagree a little."""
    return number[0] <= (now_s + tolerance_s) * 1e6
