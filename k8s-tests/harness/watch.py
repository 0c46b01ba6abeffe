"""Looking at the grid all the while something is done to it.

Two threads read, twice a second, every substation's power and every balancer's fleet. What a test does to the grid
makes some of these readings fail: a killed pod refuses, a frozen one is silent, a stopped API server answers no one.
Those are counted and passed over. Anything else that goes wrong (a path that does not exist, an answer of another form)
is a mistake in the test, and fails it: a watcher that swallowed it would find nothing wrong as it had seen nothing. For
the same reason no verdict is given without readings: `assert_never_overfilled` wants some of every substation.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import requests

from harness.grid import Grid

Answer = TypeVar("Answer")
INTERVAL_S = 0.5
ROUNDING_KW = 0.001
# A change takes a watch event and a status to reach a balancer; a fleet that differs for longer is wrong.
CATCH_UP_S = 5.0
# What the API server says of a pod that is gone by now or does not answer, and of itself when it has too much to do.
DISTURBED = {404, 429, 500, 502, 503, 504}


@dataclass
class Observations:
    """What was seen of the substations and of the balancers' fleets."""

    looks: Counter[str] = field(default_factory=Counter)
    """Readings of each substation's status."""
    overfilled: list[str] = field(default_factory=list)
    """Readings of more power than capacity."""
    fleet_looks: Counter[str] = field(default_factory=Counter)
    """Readings of each balancer's fleet."""
    wrong_s: dict[str, float] = field(default_factory=dict)
    """For each balancer the longest time for which its fleet was not the one that Kubernetes told."""
    unanswered: int = 0
    """Readings that failed, as they may while something is done to the grid."""

    def summary(self) -> str:
        """What was looked at, in one line."""
        return (
            f"{self.looks.total()} readings of {len(self.looks)} substations, {len(self.overfilled)} above capacity; "
            f"{self.fleet_looks.total()} of {len(self.fleet_looks)} fleets, wrong for at most "
            f"{self.longest_wrong_s:.1f} s at a time; {self.unanswered} unanswered"
        )

    def assert_never_overfilled(self, *substations: str) -> None:
        """Each of these substations was looked at, and no reading of any was above its capacity."""
        assert substations, "name the substations that must have been looked at"
        assert set(substations) <= self.looks.keys(), f"no reading of some of {substations}: {self.summary()}"
        assert self.overfilled == []

    def assert_fleets_followed(self) -> None:
        """Balancers were looked at, and each fleet was as Kubernetes tells, but for the moment that a change takes."""
        assert self.fleet_looks, f"no reading of any fleet: {self.summary()}"
        assert self.longest_wrong_s <= CATCH_UP_S

    @property
    def longest_wrong_s(self) -> float:
        """Of all balancers."""
        return max(self.wrong_s.values(), default=0.0)


@contextmanager
def watching(grid: Grid) -> Iterator[Observations]:
    """Observe in the background while the block runs; afterwards raises what went wrong in a watcher."""
    seen, over = Observations(), threading.Event()
    twins = [grid.twin(), grid.twin()]
    with ThreadPoolExecutor(len(twins)) as pool:
        watches = zip((_look_at_power, _FleetWatch().look), twins, strict=True)
        ends = [pool.submit(_repeat, look, twin, seen, over) for look, twin in watches]
        try:
            yield seen
        finally:
            over.set()
    for twin in twins:
        twin.api.close()
    for end in ends:
        end.result()


def _repeat(look: Callable[[Grid, Observations], None], grid: Grid, seen: Observations, over: threading.Event) -> None:
    while not over.wait(INTERVAL_S):
        look(grid, seen)


def _look_at_power(grid: Grid, seen: Observations) -> None:
    pods = answer_of(lambda: grid.pods("substation"), seen)
    for pod in pods or ():
        status = answer_of(lambda name=pod.name: grid.ask(name, "/status"), seen) if pod.ready else None
        if status is not None:
            note_power(pod.name, status, seen)


def note_power(name: str, status: dict[str, Any], seen: Observations) -> None:
    """Count a reading, and keep it if it is of more power than there is."""
    seen.looks[name] += 1
    if is_overfilled(status):
        seen.overfilled.append(str(status))


def is_overfilled(status: dict[str, Any]) -> bool:
    """Whether a substation gives, or has promised, more than it has."""
    return bool(max(status["load_kw"], status["committed_kw"]) > status["capacity_kw"] + ROUNDING_KW)


def answer_of(ask: Callable[[], Answer], seen: Observations) -> Answer | None:
    """The answer, or None for a failure that a disturbed grid explains. Raises every other."""
    try:
        return ask()
    except requests.RequestException as error:
        if not is_of_a_disturbed_grid(error):
            raise
        seen.unanswered += 1
        return None


def is_of_a_disturbed_grid(error: requests.RequestException) -> bool:
    """No connection, no answer in time, one that broke off, or the API server's word that the pod does not answer."""
    if error.response is not None:
        return error.response.status_code in DISTURBED
    return isinstance(error, (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError))


class _FleetWatch:
    """Since when each balancer's fleet has been wrong."""

    def __init__(self) -> None:
        self._right_s: dict[str, float] = {}

    def look(self, grid: Grid, seen: Observations) -> None:
        told = answer_of(lambda: (grid.serving(), grid.pods("balancer")), seen)
        if told is None:
            self._right_s.clear()
            return
        serving, balancers = told
        for name in (pod.name for pod in balancers if pod.ready):
            fleet = answer_of(lambda name=name: grid.fleet(name), seen)
            if fleet is None:
                self._right_s.pop(name, None)
            else:
                self._note(name, fleet == serving, seen)

    def _note(self, balancer: str, right: bool, seen: Observations) -> None:
        now_s = time.monotonic()
        if right or balancer not in self._right_s:
            self._right_s[balancer] = now_s
        wrong_s = now_s - self._right_s[balancer]
        seen.fleet_looks[balancer] += 1
        seen.wrong_s[balancer] = max(wrong_s, seen.wrong_s.get(balancer, 0.0))
