"""The grid of this folder under a real Prometheus."""

from __future__ import annotations

import contextlib
import math
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from monitoring import queries
from monitoring.conftest import Services
from monitoring.local_prometheus import LocalPrometheus
from support.http import Reply

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed; on Debian: apt-get install prometheus"
)
SMALL = {"energy_kwh": 0.2, "max_power_kw": 22}


@dataclass
class Grid(Services):
    """The processes, and a Prometheus that sees them."""

    prometheus: LocalPrometheus

    def all_alerts(self) -> list[str]:
        """The names; without a volume of their own the substations are on the machine's disk, which may be filling."""
        found = [str(rule["alert"]) for rule in queries.alerts()]
        return found if self.volume else [each for each in found if each != "SmartGridVolumeFilling"]

    def charge(self, car: dict[str, float]) -> int:
        return self.ask(car).status

    def ask(self, car: Mapping[str, object]) -> Reply:
        return self.gateway.call("POST", "/charge", json={"vehicle_id": "EV-1", **car})

    def stop_all(self) -> None:
        for session in self.gateway.call("GET", "/sessions?limit=1000").json()["sessions"]:
            self.gateway.call("DELETE", f"/sessions/{session['session_id']}")


@contextlib.contextmanager
def watched(services: Services, folder: Path) -> Iterator[Grid]:
    with LocalPrometheus(folder, services.named()) as prometheus:
        yield Grid(**vars(services), prometheus=prometheus)


def has_data(grid: Grid, query: queries.Query) -> bool:
    return any(not math.isnan(float(sample["value"][1])) for sample in grid.prometheus.query(query.expression))


@contextlib.contextmanager
def traffic(send: Callable[[], object], threads: int = 1) -> Iterator[None]:
    """Repeat `send` without a pause worth the name until the block ends."""
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.05):
            with contextlib.suppress(OSError):
                send()

    with ThreadPoolExecutor(threads) as pool:
        for _ in range(threads):
            pool.submit(work)
        try:
            yield
        finally:
            done.set()
