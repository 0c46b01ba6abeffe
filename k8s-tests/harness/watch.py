"""Looking at the grid all the while something is done to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests

from harness.grid import Grid

INTERVAL_S = 0.5
ROUNDING_KW = 0.001
# A change takes a watch event and a status to reach a balancer; a fleet that differs for longer is wrong.
CATCH_UP_S = 5.0


@dataclass
class Observations:
    """What was seen of the substations and of the balancers' fleets."""

    looks: int = 0
    """Readings of a substation's status."""
    overfilled: list[str] = field(default_factory=list)
    """Readings of more power than capacity."""
    fleet_looks: int = 0
    wrong_s: dict[str, float] = field(default_factory=dict)
    """For each balancer the longest time for which its fleet was not the one that Kubernetes told."""

    @property
    def longest_wrong_s(self) -> float:
        """Of all balancers."""
        return max(self.wrong_s.values(), default=0.0)


@contextmanager
def watching(grid: Grid) -> Iterator[Observations]:
    """Observe in the background while the block runs."""
    seen, over = Observations(), threading.Event()
    twins = [grid.twin(), grid.twin()]
    watches = zip((_watch_power, _watch_fleets), twins, strict=True)
    threads = [threading.Thread(target=watch, args=(twin, seen, over)) for watch, twin in watches]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()
        for twin in twins:
            twin.api.close()


def _watch_power(grid: Grid, seen: Observations, over: threading.Event) -> None:
    while not over.wait(INTERVAL_S):
        try:
            names = [pod.name for pod in grid.pods("substation") if pod.ready]
        except requests.RequestException:
            continue  # the API server may be what the test has stopped
        for name in names:
            _note_power(grid, name, seen)


def _note_power(grid: Grid, name: str, seen: Observations) -> None:
    try:
        status = grid.ask(name, "/status")
    except requests.RequestException:
        return
    seen.looks += 1
    if is_overfilled(status):
        seen.overfilled.append(str(status))


def is_overfilled(status: dict[str, Any]) -> bool:
    """Whether a substation gives, or has promised, more than it has."""
    return bool(max(status["load_kw"], status["committed_kw"]) > status["capacity_kw"] + ROUNDING_KW)


def _watch_fleets(grid: Grid, seen: Observations, over: threading.Event) -> None:
    right_s: dict[str, float] = {}
    while not over.wait(INTERVAL_S):
        try:
            serving = grid.serving()
            fleets = {pod.name: grid.fleet(pod.name) for pod in grid.pods("balancer") if pod.ready}
        except requests.RequestException:
            right_s.clear()
            continue
        seen.fleet_looks += len(fleets)
        for balancer, fleet in fleets.items():
            _note_fleet(balancer, fleet == serving, right_s, seen)


def _note_fleet(balancer: str, right: bool, right_s: dict[str, float], seen: Observations) -> None:
    now_s = time.monotonic()
    if right or balancer not in right_s:
        right_s[balancer] = now_s
    wrong_s = now_s - right_s[balancer]
    seen.wrong_s[balancer] = max(wrong_s, seen.wrong_s.get(balancer, 0.0))
