"""A load on a grid, and what its clients saw."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from cluster.shell import wait_until
from harness.grid import Grid
from harness.images import PYTHON

CLIENT = Path(__file__).with_name("load_client.py")
CREATED, NOT_FOUND, UNAVAILABLE = 201, 404, 503
REFUSED_SHARE = 0.02
POD_SECURITY = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER_SECURITY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@dataclass(frozen=True)
class Seen:
    """One request and its answer, as the client saw it."""

    operation: str
    subject: str
    """A car, or the session that is stopped or asked for."""
    sent_s: float
    answered_s: float
    status: int
    """0 where no answer came."""
    code: str = ""
    detail: str = ""
    session_id: str = ""
    substation: str = ""
    resent: int = 0
    postponed: int = 0
    """How often the client was told to ask again later, and did."""
    interruptions: tuple[str, ...] = ()
    """Why it repeated the request for want of a certain answer: codes of problems, or names of broken connections."""
    first_answered_s: float = 0.0
    kept: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether it did what it was for."""
        return 200 <= self.status < 300

    @property
    def rejected(self) -> bool:
        """Whether the grid said in good order that it has no room."""
        return self.status == UNAVAILABLE and self.code == "no-capacity"

    @property
    def failed(self) -> bool:
        """Neither."""
        return not self.succeeded and not self.rejected


@dataclass
class Load:
    """A running load; `seen` is filled when it has ended."""

    grid: Grid
    pod: str
    seen: list[Seen] = field(default_factory=list)

    @property
    def charged(self) -> list[Seen]:
        """The cars that were acknowledged."""
        return [one for one in self.seen if one.operation == "charge" and one.succeeded]

    @property
    def failed(self) -> list[Seen]:
        """Requests that neither succeeded nor were refused for want of room."""
        return [one for one in self.seen if one.failed]

    @property
    def interrupted(self) -> list[Seen]:
        """Requests that were repeated since no one could say what had become of them, whatever the end was."""
        return [one for one in self.seen if one.interruptions]

    def assert_room(self) -> None:
        """Hardly a car was refused for want of room: in a full grid a test of what becomes of cars tells nothing."""
        refused = [one for one in self.seen if one.rejected]
        assert self.charged, f"no car was charged: {self.summary()}"
        assert len(refused) <= REFUSED_SHARE * len(self.charged), f"the grid was full: {self.summary()}"

    def summary(self) -> str:
        """What the clients saw, in one line."""
        codes = Counter(f"{one.status} {one.code}".strip() for one in self.failed)
        rejected, resent = sum(one.rejected for one in self.seen), sum(one.resent for one in self.seen)
        postponed = sum(one.postponed > 0 for one in self.seen)
        interruptions = Counter(why for one in self.interrupted for why in one.interruptions)
        slowest_s = max((one.answered_s - one.sent_s for one in self.seen), default=0.0)
        return (
            f"{len(self.seen)} requests, {len(self.charged)} cars charged, {rejected} refused for want of room, "
            f"{len(self.failed)} failed {dict(codes) or ''}, "
            f"{len(self.interrupted)} repeated {dict(interruptions) or ''}, "
            f"{resent} sent again on a new connection, "
            f"{postponed} done later than asked as their substation was away, "
            f"slowest {slowest_s:.2f} s"
        )


@contextmanager
def running_load(grid: Grid, cars_per_s: float = 8, energy_kwh: float = 5, workers: int = 24) -> Iterator[Load]:
    """Charge cars all the while the block runs; afterwards the load has what its clients saw.

    Where an hour takes a minute a car of 5 kWh at 11 kW stays for 27 s, so most sessions outlive what a test does.
    """
    load = Load(grid, f"load-{time.time_ns()}")
    pods = f"/api/v1/namespaces/{grid.namespace}/pods"
    grid.api.create(pods.replace("pods", "configmaps"), script_object(load.pod))
    grid.api.create(pods, pod_object(grid, load.pod, cars_per_s, energy_kwh, workers))
    try:
        wait_until("first requests of the load", lambda: has_begun(load), timeout_s=60)
        yield load
    finally:
        stop(load)
        load.seen = [to_seen(line) for line in log(load).splitlines()]
        grid.api.delete(f"{pods}/{load.pod}")


def to_seen(line: str) -> Seen:
    """A line of the load's log."""
    told = json.loads(line)
    return Seen(**{**told, "interruptions": tuple(told["interruptions"])})


def has_begun(load: Load) -> bool:
    """Whether the first requests have been answered; a container that is not there yet has no log."""
    try:
        return bool(log(load))
    except requests.HTTPError:
        return False


def log(load: Load) -> str:
    """What the load has written so far."""
    return load.grid.api.text(f"/api/v1/namespaces/{load.grid.namespace}/pods/{load.pod}/log")


def stop(load: Load) -> None:
    """Have it send no more, and wait until what is under way is answered."""
    where = (f"--namespace={load.grid.namespace}", load.pod)
    load.grid.api.kubectl("exec", *where, "--", "touch", "/tmp/stop")
    path = f"/api/v1/namespaces/{load.grid.namespace}/pods/{load.pod}"
    wait_until("end of the load", lambda: load.grid.api.get(path)["status"]["phase"] == "Succeeded", timeout_s=90)


def script_object(name: str) -> dict[str, Any]:
    """The client as a ConfigMap."""
    return {"metadata": {"name": name}, "data": {CLIENT.name: CLIENT.read_text()}}


def pod_object(grid: Grid, name: str, cars_per_s: float, energy_kwh: float, workers: int) -> dict[str, Any]:
    """The client as a pod."""
    settings = {
        "HOST": f"{grid.release}-gateway",
        "PORT": 8080,
        "RATE": cars_per_s,
        "ENERGY_KWH": energy_kwh,
        "WORKERS": workers,
    }
    container = {
        "name": "load",
        "image": PYTHON,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", f"/script/{CLIENT.name}"],
        "env": [{"name": key, "value": str(value)} for key, value in settings.items()],
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [{"name": "script", "mountPath": "/script"}, {"name": "tmp", "mountPath": "/tmp"}],
    }
    volumes = [{"name": "script", "configMap": {"name": name}}, {"name": "tmp", "emptyDir": {}}]
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": POD_SECURITY,
        "containers": [container],
        "volumes": volumes,
    }
    return {"metadata": {"name": name, "labels": {"app": "load"}}, "spec": spec}
