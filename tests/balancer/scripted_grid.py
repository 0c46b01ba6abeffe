"""A real balancer process in front of substations on a script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from support.grid import PATIENT_BALANCER, metric
from support.http import Reply
from support.processes import Process, wait_until
from support.scripted_substation import Request, ScriptedSubstation, ScriptedSubstations

CAR = {"vehicle_id": "EV-1", "energy_kwh": 10.0, "max_power_kw": 11.0, "min_power_kw": 1.0}


def charge(target: Process, key: str, sent: Mapping[str, str] = {}, **changes: object) -> Reply:
    return target.call("POST", "/charge", json={**CAR, **changes}, headers={"Idempotency-Key": key, **sent})


def code(reply: Reply) -> tuple[int, Any]:
    return reply.status, reply.json().get("code")


@dataclass
class ScriptedGrid:
    stubs: ScriptedSubstations
    balancer: Process

    def __getitem__(self, name: str) -> ScriptedSubstation:
        return self.stubs[name]

    def register(self, stub: ScriptedSubstation, balancer: Process | None = None) -> None:
        target = balancer or self.balancer
        assert target.call("POST", "/substations", json={"url": stub.url, "name": stub.name}).status in (200, 201)
        wait_until(lambda: seen(target, stub.name).get("capacity_kw") is not None, 60, f"{stub.name} is seen")

    def remove(self, stub: ScriptedSubstation) -> None:
        """As when a pod is not ready: discovery names it no more."""
        assert self.balancer.call("DELETE", f"/substations/{quote(stub.url, safe='')}").status == 200

    def prefer(self, name: str) -> None:
        """The next car that no key sends elsewhere asks this one first."""
        for stub in self.stubs:
            stub.set_load(0.0 if stub.name == name else 50.0)
        wait_until(lambda: loads_agree(self.balancer, self.stubs), 60, "the balancer sees the loads")

    def asked_but_status(self) -> list[Request]:
        """All that the substations were asked but polls."""
        return [each for stub in self.stubs for each in list(stub.requests) if each.path != "/status"]


def seen(balancer: Process, name: str) -> dict[str, Any]:
    found = balancer.call("GET", "/substations").json()["substations"]
    return next((dict(each) for each in found if each["name"] == name), {})


def loads_agree(balancer: Process, stubs: ScriptedSubstations) -> bool:
    return all(seen(balancer, stub.name).get("load_kw") == stub.status().load_kw for stub in stubs)


def wait_settled(balancer: Process) -> None:
    wait_until(lambda: metric(balancer, "keys_contested") == 0, 60, "no key is contested")


@contextmanager
def scripted_grid(
    folder: Path, names: list[str], *, registered: bool = False, **settings: object
) -> Iterator[ScriptedGrid]:
    """With `registered` the members are registered by hand, so that they can be removed."""
    with ScriptedSubstations(names) as stubs:
        listed = {} if registered else {"substations": stubs.listed()}
        chosen = {"poll_interval_s": 0.25, **PATIENT_BALANCER, **listed, **settings}
        with Process("balancer", folder / "balancer", **chosen) as balancer:
            grid = ScriptedGrid(stubs, balancer)
            for stub in stubs if registered else ():
                grid.register(stub)
            yield grid
