"""A whole grid of real service processes for tests: started together, called over HTTP, always ended."""

from __future__ import annotations

import functools
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from smartgrid.auth.scopes import GRID_READ
from smartgrid.protocol.headers import UNREACHABLE
from support.http import Reply
from support.identity import Identities
from support.ports import free_port
from support.processes import Process, Started, start_all, wait_until

# For tests that are not about time: on a busy machine a healthy service may take longer than the defaults allow.
PATIENT_BALANCER = {"attempt_timeout_s": 15, "request_timeout_s": 30}
PATIENT_GATEWAY = {"balancer_timeout_s": 40}
TOLERANCE_KW = 1e-6
ANSWER_TIMEOUT_S = 120.0
SETTLE_TIMEOUT_S = 60.0
LIST_TRIES = 3
GIVEN_UP = ("Stopped", "Superseded")


class Grid(Started):
    """`substation-0`, `substation-1`, ..., balancers over all of them, and a gateway in front of each balancer; and an
    edge, where it has settings."""

    def __init__(
        self,
        folder: Path,
        capacities_kw: Sequence[float],
        *,
        balancers: int = 1,
        gateways: int = 0,
        edge: Mapping[str, object] | None = None,
        substation_settings: Mapping[str, object] = {},
        time_scale: float = 1,
        gateway_settings: Mapping[str, object] = {},
        identities: Identities | None = None,
        **balancer_settings: object,
    ) -> None:
        self.substations = [
            Process(
                "substation",
                folder / name,
                name=name,
                capacity_kw=capacity_kw,
                time_scale=time_scale,
                **(identities.believing if identities else {}),
                **substation_settings,
            )
            for name, capacity_kw in ((f"substation-{i}", kw) for i, kw in enumerate(capacities_kw))
        ]
        self._reader = identities.bearer("reader", [GRID_READ]) if identities else {}
        self.edges: list[Process] = []
        fleet = ",".join(f"{each.settings['name']}={each.url}" for each in self.substations)
        calling = identities.calling if identities else {}
        settings = {"poll_interval_s": 0.25, "substations": fleet, **calling, **balancer_settings}
        self.balancers = [Process("balancer", folder / f"balancer-{i}", **settings) for i in range(balancers)]
        known = self._edge(folder, {**calling, **edge}) if edge is not None else {}
        self.gateways = [
            Process(
                "gateway",
                folder / f"gateway-{i}",
                balancer_url=self.balancers[i % balancers].url,
                **calling,
                **known,
                **gateway_settings,
            )
            for i in range(gateways)
        ]

    def _edge(self, folder: Path, settings: Mapping[str, object]) -> dict[str, object]:
        """Have an edge, and what others are told of it."""
        ports = {"ocpp_port": free_port(), "balancer_url": self.balancer.url}
        self.edges = [Process("edge", folder / "edge-0", name="edge-0", **ports, **settings)]
        for balancer in self.balancers:
            balancer.settings["edge_url"] = self.edge.url
        return {"edge_url": self.edge.url}

    @property
    def balancer(self) -> Process:
        return self.balancers[0]

    @property
    def gateway(self) -> Process:
        return self.gateways[0]

    @property
    def edge(self) -> Process:
        return self.edges[0]

    @property
    def processes(self) -> list[Process]:
        return [*self.substations, *self.balancers, *self.edges, *self.gateways]

    def start(self) -> Self:
        """Returns once balancers have all in rotation: one may have looked before a substation was up."""
        start_all(self.processes)
        for balancer in self.balancers:
            wait_whole(balancer, self._reader)
        return self

    def end(self) -> None:
        for process in self.processes:
            process.end()

    def mend(self) -> None:
        """Bring back whatever a test has killed or frozen, and stop all sessions."""
        for process in self.processes:
            if process.running:
                process.popen.send_signal(signal.SIGCONT)
        start_all([process for process in self.processes if not process.running])
        for substation in self.substations:
            stop_all(substation)
        for balancer in self.balancers:
            wait_until(lambda b=balancer: self._comes_to_rest(b), SETTLE_TIMEOUT_S, "the balancer sees an empty grid")

    def _comes_to_rest(self, balancer: Process) -> bool:
        """A car that was sent to a frozen substation, and given up, may begin to charge only now."""
        if self.is_rested(balancer):
            return True
        for substation in self.substations:
            stop_all(substation)
        return False

    def is_rested(self, balancer: Process) -> bool:
        """Whether the balancer sees all substations alive and empty, and has nothing left to do for earlier tests."""
        seen = balancer.call("GET", "/substations").json()["substations"]
        here = [each for each in seen if each["name"] in self.names]
        rested = len(here) == len(self.names) and all(each["in_rotation"] and not each["demand_kw"] for each in here)
        return rested and metric(balancer, "keys_contested") == 0

    def prefer_first(self) -> None:
        """Charge a car at each other substation, and wait until all balancers would ask the first for the next one."""
        for other in self.substations[1:]:
            assert charge(other, "filler").status == 201
        wait_until(self._is_first_preferred, SETTLE_TIMEOUT_S, "the balancers see the cars at the other substations")

    def _is_first_preferred(self) -> bool:
        fillers = len(self.substations) - 1
        return all(each.call("GET", "/status").json()["active_sessions"] == fillers for each in self.balancers)

    @property
    def names(self) -> list[str]:
        return [str(each.settings["name"]) for each in self.substations]


def car(vehicle_id: str = "EV-1", **changes: object) -> dict[str, object]:
    """The body of a request to charge: 50 kWh at 11 kW, not to be regulated, unless changed."""
    return {"vehicle_id": vehicle_id, "energy_kwh": 50, "max_power_kw": 11, "min_power_kw": 11, **changes}


def charge(
    target: Process, vehicle_id: str = "EV-1", *, key: str | None = None, who: Mapping[str, str] = {}, **changes: object
) -> Reply:
    """Ask to charge; `who` are headers that say who asks. Fails where no answer comes at all."""
    headers = {**who, "Idempotency-Key": key} if key else who
    return target.call("POST", "/charge", json=car(vehicle_id, **changes), headers=headers, timeout_s=ANSWER_TIMEOUT_S)


def charge_known_to(
    balancer: Process, target: Process, vehicle_id: str, key: str, who: Mapping[str, str] = {}
) -> Reply:
    """Charge with a new key, and wait until this balancer has read of it: before that it would place a repeat anew."""
    known = metric(balancer, "keys_known")
    reply = charge(target, vehicle_id, key=key, who=who)
    wait_until(lambda: metric(balancer, "keys_known") > known, SETTLE_TIMEOUT_S, "the balancer knows the key")
    return reply


def together(count: int, work: Callable[[int], Any]) -> list[Any]:
    """`work(0)`, `work(1)`, ... all at once; their results in that order."""
    return _all_of(range(count), work)


def _all_of(items: Sequence[Any], work: Callable[[Any], Any]) -> list[Any]:
    with ThreadPoolExecutor(min(20, len(items)) or 1) as pool:
        return list(pool.map(work, items))


def sessions(target: Process, limit: int = 1000, who: Mapping[str, str] = {}, **query: object) -> list[dict[str, Any]]:
    """All sessions of a service that one may see, page by page; `who` are headers that say who asks."""
    path = "/sessions" if target.service == "gateway" else "/charge"
    ask = functools.partial(target.call, "GET", headers=who)
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        asked = {"limit": limit, **query, **({"cursor": cursor} if cursor else {})}
        for _ in range(LIST_TRIES):
            reply = ask(f"{path}?{urlencode(asked)}")
            if UNREACHABLE not in reply.headers:  # on a busy machine one that lives may not have answered in time
                break
        page = reply.json()
        found += page["sessions"]
        cursor = page["next_cursor"]
    return found


def held(substations: Iterable[Process], vehicle_id: str) -> list[dict[str, Any]]:
    """The sessions of a vehicle over several substations that count: not stopped, and not superseded."""
    found = [session for substation in substations for session in sessions(substation)]
    return [each for each in found if each["vehicle_id"] == vehicle_id and each["end_reason"] not in GIVEN_UP]


def held_by_vehicle(substations: Iterable[Process]) -> Counter[str]:
    """How many such sessions each vehicle has."""
    found = [session for substation in substations for session in sessions(substation)]
    return Counter(each["vehicle_id"] for each in found if each["end_reason"] not in GIVEN_UP)


def stop_all(substation: Process) -> None:
    active = [f"/charge/{each['session_id']}" for each in sessions(substation) if each["ended_at"] is None]
    assert {reply.status for reply in _all_of(active, lambda path: substation.call("DELETE", path))} <= {200}


def metric(target: Process, name: str, **labels: str) -> float:
    """The value of a metric; 0 where it has no such series."""
    from prometheus_client.parser import text_string_to_metric_families

    text = target.call("GET", "/metrics").body.decode()
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


def in_rotation(balancer: Process, name: str) -> bool:
    seen = balancer.call("GET", "/substations").json()["substations"]
    return next(bool(each["in_rotation"]) for each in seen if each["name"] == name)


def wait_rotation(balancer: Process, name: str, expected: bool) -> None:
    wait_until(lambda: in_rotation(balancer, name) is expected, SETTLE_TIMEOUT_S, f"{name} in rotation is {expected}")


def wait_whole(balancer: Process, who: Mapping[str, str] = {}) -> None:
    """Until all members are in rotation: one that was slower to start than the balancer may not be yet."""

    def whole() -> bool:
        return all(
            each["in_rotation"] for each in balancer.call("GET", "/substations", headers=who).json()["substations"]
        )

    wait_until(whole, SETTLE_TIMEOUT_S, "all members are in rotation")


def wait_settled(balancer: Process) -> None:
    """Until no key has a session at two substations, as far as the balancer knows."""
    wait_until(lambda: metric(balancer, "keys_contested") == 0, SETTLE_TIMEOUT_S, "no key is contested")


def patient(work: Callable[[], Reply | None], is_done: Callable[[Reply], bool], timeout_s: float = 60.0) -> Reply:
    """Do it again until there is an answer that will do; fails after `timeout_s`."""
    end_s = time.monotonic() + timeout_s
    reply = work()
    while reply is None or not is_done(reply):
        assert time.monotonic() < end_s, f"not within {timeout_s:g} s; last answer {reply}"
        time.sleep(0.05)
        reply = work()
    return reply
