"""The number of a try: the gateway's, where it can be believed, else the balancer's own time."""

from __future__ import annotations

import logging

from smartgrid.protocol.numbers import MAX_PARTS, Number, NumberSource, is_believable

PARTS_OF_AN_ATTEMPT = 2
log = logging.getLogger(__name__)


class Tries:
    """Thread-safe."""

    def __init__(self) -> None:
        self._own = NumberSource()
        self._has_complained = False

    def number(self, told: Number | None, now_s: float) -> Number:
        """The try's number, as its header tells it; `now_s` is in seconds since 1970."""
        if told is not None and is_believable(told, now_s) and len(told) + PARTS_OF_AN_ATTEMPT <= MAX_PARTS:
            return told
        if told is not None and not self._has_complained:
            self._has_complained = True  # once: with clocks that disagree every car would say it
            log.warning("a try has a number that cannot be believed; the balancer's own time is taken instead")
        return self._own.next()
