"""Simulated chargers in a pod, and what a test does to them and reads of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from cluster.shell import wait_until
from harness import images
from harness.grid import Grid
from harness.load import CONTAINER_SECURITY, POD_SECURITY

CLIENT = Path(__file__).with_name("chargers_client.py")
NAME = "chargers"


@dataclass(frozen=True)
class OneCharger:
    """A charger at one moment."""

    name: str
    is_connected: bool
    connections: int
    """How many it has made so far."""
    power_kw: float
    register_kwh: float
    transactions: int
    kept_messages: int
    """Of transactions, that nobody has taken yet."""


@dataclass(frozen=True)
class Seen:
    """All of them at one moment, and what each substation's have drawn so far: (time, kW) at each change."""

    now_s: float
    chargers: dict[str, OneCharger]
    moments: dict[str, list[tuple[float, float]]]

    def most_kw(self, substation: str, since_s: float) -> float:
        """The most that the chargers of a substation drew at any moment since then, by their own meters."""
        moments = self.moments[substation]
        before = [kw for at_s, kw in moments if at_s <= since_s][-1:]
        return max([*before, *(kw for at_s, kw in moments if at_s > since_s)], default=0.0)


class Chargers:
    """The pod's chargers, each named for its place: (substation, name)."""

    def __init__(self, grid: Grid, places: Sequence[tuple[str, str]]) -> None:
        self.grid, self.places = grid, list(places)
        self._path = f"/api/v1/namespaces/{grid.namespace}/pods/{NAME}:8080/proxy"

    @property
    def names(self) -> list[str]:
        return [name for _, name in self.places]

    def add(self) -> None:
        """Have them connect."""
        self._post("add", self.places)

    def plug(self, *names: str) -> None:
        """A car that takes all that it gets comes to each of these, or to all."""
        self._post("plug", self._of(names))

    def unplug(self, *names: str) -> None:
        self._post("unplug", self._of(names))

    def look(self) -> Seen:
        told = self.grid.api.get(f"{self._path}/")
        moments = {name: [(at_s, kw) for at_s, kw in found] for name, found in told["moments"].items()}
        chargers = {name: OneCharger(name, **values) for name, values in told["chargers"].items()}
        return Seen(told["now_s"], chargers, moments)

    def all_connected(self) -> bool:
        return all(charger.is_connected for charger in self.look().chargers.values())

    def all_charge(self) -> bool:
        return all(charger.power_kw > 0 for charger in self.look().chargers.values())

    def _of(self, names: Sequence[str]) -> list[tuple[str, str]]:
        return [place for place in self.places if not names or place[1] in names]

    def _post(self, what: str, places: Sequence[tuple[str, str]]) -> None:
        self.grid.api.call("POST", f"{self._path}/{what}", json=places)


@contextmanager
def running_chargers(grid: Grid, places: Sequence[tuple[str, str]]) -> Iterator[Chargers]:
    """Chargers that are connected to the grid's edge, by its Service."""
    pods = f"/api/v1/namespaces/{grid.namespace}/pods"
    maps = pods.replace("pods", "configmaps")
    grid.api.create(maps, {"metadata": {"name": NAME}, "data": {CLIENT.name: CLIENT.read_text()}})
    grid.api.create(pods, pod_object(f"ws://{grid.release}-edge:9000/ocpp"))
    chargers = Chargers(grid, places)
    try:
        wait_until("the chargers' pod", lambda: answers(chargers), timeout_s=60)
        chargers.add()
        yield chargers
    finally:
        grid.api.delete(f"{pods}/{NAME}")
        grid.api.delete(f"{maps}/{NAME}")


def answers(chargers: Chargers) -> bool:
    try:
        return isinstance(chargers.look(), Seen)
    except requests.RequestException:
        return False


def pod_object(url: str) -> dict[str, Any]:
    """In the edge's own image: it has the simulator, and what that needs."""
    container = {
        "name": NAME,
        "image": images.name("edge"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", f"/script/{CLIENT.name}"],
        "env": [{"name": "URL", "value": url}],
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [{"name": "script", "mountPath": "/script"}],
    }
    spec = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "securityContext": POD_SECURITY,
        "containers": [container],
        "volumes": [{"name": "script", "configMap": {"name": NAME}}],
    }
    return {"metadata": {"name": NAME, "labels": {"app": NAME}}, "spec": spec}
