"""How far a run is: one live line on a terminal, a plain line every few seconds elsewhere."""

import time
from dataclasses import dataclass, field
from typing import TextIO

from smartgrid.loadtest.request import Result

BAR_WIDTH = 24
LIVE_INTERVAL_S = 0.2
PLAIN_INTERVAL_S = 5.0


@dataclass
class Tally:
    """What has come back so far, and how many cars wait."""

    asked: int
    waiting: int = 0
    counts: dict[Result, int] = field(default_factory=lambda: dict.fromkeys(Result, 0))

    @property
    def done(self) -> int:
        return sum(self.counts.values())


def progress_line(tally: Tally, elapsed_s: float) -> str:
    """For example `[######------]  50/100   31 s   48 succeeded, 2 rejected, 0 failed`."""
    filled = BAR_WIDTH * tally.done // tally.asked
    bar = "#" * filled + "-" * (BAR_WIDTH - filled)
    width = len(str(tally.asked))
    results = ", ".join(f"{count} {result.value}" for result, count in tally.counts.items())
    waiting = f", {tally.waiting} waiting" if tally.waiting else ""
    return f"[{bar}] {tally.done:>{width}}/{tally.asked}  {elapsed_s:4.0f} s  {results}{waiting}"


class Progress:
    """Shows a tally on a stream as often as that kind of stream bears."""

    def __init__(self, stream: TextIO, tally: Tally) -> None:
        self._stream = stream
        self._tally = tally
        self._live = stream.isatty()
        self._started = time.monotonic()
        self._shown_done = -1

    @property
    def interval_s(self) -> float:
        """How often `show` is worth calling."""
        return LIVE_INTERVAL_S if self._live else PLAIN_INTERVAL_S

    def show(self) -> None:
        """Shows the present state; on a terminal over the line before."""
        line = progress_line(self._tally, time.monotonic() - self._started)
        self._stream.write(f"\r\x1b[K{line}" if self._live else f"{line}\n")
        self._stream.flush()
        self._shown_done = self._tally.done

    def close(self) -> None:
        """Shows the last state, unless it stands there already, and ends the line."""
        if self._live or self._shown_done != self._tally.done:
            self.show()
        if self._live:
            self._stream.write("\n")
