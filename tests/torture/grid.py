"""The grid that is tortured: real processes, and a link that can fail between any two that talk to each other.

    gateway-i ──▶ listener ──▶ links to all balancers ──▶ balancer-j ──▶ listener ──▶ link ──▶ substation-k

A gateway reaches the balancers as through a Kubernetes Service: each new connection goes to any one of those that say
that they are ready; and so a balancer reaches those of a region. It reaches each substation by a listener of its own.
Some substations are in the balancers' settings, the others are registered by hand; the `Operator` sees to it that they
are registered where they should be, also at a balancer that has lost its folder.
"""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote

from support.ports import free_port
from support.processes import Process, Started, start_all
from support.tcp_proxy import Fault, Link, Listener
from torture.history import Limit, Recorder
from torture.plan import Shape, Step

BALANCERS = "balancers"
JOIN_TIMEOUT_S = 30.0
END_IN_ORDER_TIMEOUT_S = 15.0
LOCK_TIMEOUT_S = 0.5
OPERATOR_PAUSE_S = 0.3
OPERATOR_TIMEOUT_S = 2.0
PROBE_TIMEOUT_S = 1.0
MISSED_PROBES = 2  # as a kubelet, who does not believe the first
FAULTS = {"slow": Fault.SLOW, "held": Fault.HELD, "lost": Fault.LOST, "deaf": Fault.DEAF, "cut": Fault.CUT}
Clock = Callable[[], float]


class TorturedGrid(Started):
    def __init__(
        self,
        folder: Path,
        shape: Shape,
        capacities_kw: list[float],
        time_scale: float,
        seed: int,
        recorder: Recorder,
        clock: Clock,
    ) -> None:
        self.shape, self.capacities_kw = shape, dict(zip(shape.substation_names, capacities_kw, strict=True))
        self.substations = [
            Process("substation", folder / name, name=name, capacity_kw=kw, time_scale=time_scale, drain_timeout_s=2)
            for name, kw in self.capacities_kw.items()
        ]
        self._ports = {name: free_port() for name in shape.balancer_names}
        self._ports |= {each.folder.name: each.port for each in self.substations}
        self.links: dict[str, Link] = {}
        self._listeners: dict[str, Listener] = {}
        self._rng = random.Random(f"grid {seed}")
        self.balancers = [self._balancer(folder / name) for name in shape.balancer_names]
        self.gateways = [self._gateway(folder / name) for name in shape.gateway_names]
        self.by_name = {each.folder.name: each for each in (*self.substations, *self.balancers, *self.gateways)}
        self.kills = 0
        self._stalls: dict[str, sqlite3.Connection] = {}
        self._operator = Operator(self, recorder, clock)
        self._stack = ExitStack()

    def _balancer(self, folder: Path) -> Process:
        """One of a region goes by the region's name."""
        name = folder.name
        for member in self.shape.members_of(name):
            self._listen_for(name, member, self.shape.behind(member))
        fixed = [each for each in self.shape.members_of(name) if each not in self.shape.by_hand]
        fleet = ",".join(f"{each}={self._listeners[f'{name}>{each}'].url}" for each in fixed)
        shown = name if name in self.shape.front else name.rpartition("-")[0]
        port = self._ports[name]
        return Process(
            "balancer", folder, port=port, name=shown, substations=fleet, poll_interval_s=0.5, drain_timeout_s=2
        )

    def _gateway(self, folder: Path) -> Process:
        self._listen_for(folder.name, BALANCERS, self.shape.front)
        url = self._listeners[f"{folder.name}>{BALANCERS}"].url
        return Process("gateway", folder, balancer_url=url, drain_timeout_s=2)

    def _listen_for(self, caller: str, member: str, processes: list[str]) -> None:
        """By which a process calls a member, through a link to each process that answers under its name."""
        are_probed = member not in self.shape.substation_names
        links = {f"{caller}>{name}": Link(self._ports[name], usable=not are_probed) for name in processes}
        self.links |= links
        self._listeners[f"{caller}>{member}"] = Listener(list(links.values()), self._rng.random())

    def start(self) -> Self:
        for listener in self._listeners.values():
            self._stack.enter_context(listener)
        for process in self.by_name.values():
            process.launch()
        self._stack.enter_context(self._operator)
        start_all([each for each in self.by_name.values() if not each.running])
        for process in self.by_name.values():
            process.wait_ready()
        return self

    def end(self) -> None:
        for name in list(self._stalls):
            self._unstall(name)
        self._stack.close()
        for process in self.by_name.values():
            process.end()

    def registration(self, balancer: str, substation: str) -> tuple[str, str]:
        """The name and the URL by which a balancer knows a substation."""
        return substation, self._listeners[f"{balancer}>{substation}"].url

    # ------------------------------------------------------------------ faults

    def do(self, step: Step) -> None:
        """What a step of a plan says."""
        if ">" in step.target:
            self._do_to_link(step)
        else:
            self._do_to_process(step)

    def mend(self) -> None:
        """Undo every fault; who is dead starts again."""
        for link in self.links.values():
            link.mend()
        for name in list(self._stalls):
            self._unstall(name)
        for name, process in self.by_name.items():
            self._listen(name)
            if process.running:
                process.popen.send_signal(signal.SIGCONT)
            else:
                process.launch()
        self._operator.want_all()

    def is_at_rest(self) -> bool:
        """Whether all processes are ready and each balancer has all substations in rotation."""
        processes = self.by_name.values()
        if any(
            (reply := each.try_call("GET", "/ready", timeout_s=5)) is None or reply.status != 200 for each in processes
        ):
            return False
        return all(self._sees_all(balancer) for balancer in self.balancers) and self._operator.is_done()

    def _sees_all(self, balancer: Process) -> bool:
        reply = balancer.try_call("GET", "/substations", timeout_s=5)
        if reply is None or reply.status != 200:
            return False
        seen = {each["name"] for each in reply.json()["substations"] if each["in_rotation"]}
        return seen == set(self.shape.members_of(balancer.folder.name))

    def _do_to_link(self, step: Step) -> None:
        caller, called = step.target.split(">")
        if step.action in ("remove", "register"):
            self._operator.want(caller, called, is_member=step.action == "register")
        elif step.action == "cut-answers":
            self.links[step.target].cuts = int(step.amount)
        elif step.action == "mend":
            self.links[step.target].mend()
        else:
            self.links[step.target].fail(FAULTS[step.action], step.amount)

    def _do_to_process(self, step: Step) -> None:
        process = self.by_name[step.target]
        match step.action:
            case "kill":
                self.kills += process.running
                process.kill()
            case "refuse":
                for listener in self._listeners_to(step.target):
                    listener.refuse()
            case "terminate":
                process.popen.send_signal(signal.SIGTERM)
            case "freeze":
                process.popen.send_signal(signal.SIGSTOP)
            case "thaw":
                process.popen.send_signal(signal.SIGCONT)
            case "stall":
                self._stall(process)
            case "unstall":
                self._unstall(step.target)
            case "limit":
                self._operator.limit(step.target, round(self.capacities_kw[step.target] * step.amount, 3))
            case "unlimit":
                self._operator.limit(step.target, self.capacities_kw[step.target])
            case "start" | "start-empty":
                self._start_again(process, is_emptied=step.action == "start-empty")
                self._listen(step.target)

    def _stall(self, substation: Process) -> None:
        """Hold the write lock of its file, so that its commits wait as for a disk that does not answer."""
        path = substation.folder / "data" / "substation.db"
        connection = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=LOCK_TIMEOUT_S, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:  # it is at work itself, for longer than a commit takes
            connection.close()
        else:
            self._stalls[substation.folder.name] = connection

    def _unstall(self, name: str) -> None:
        if (connection := self._stalls.pop(name, None)) is not None:
            connection.close()

    def _start_again(self, process: Process, *, is_emptied: bool) -> None:
        with suppress(subprocess.TimeoutExpired):
            process.exit_code(END_IN_ORDER_TIMEOUT_S)
        process.end()
        if is_emptied:
            shutil.rmtree(process.folder / "data", ignore_errors=True)
        process.launch()

    def _listeners_to(self, name: str) -> list[Listener]:
        return [listener for link, listener in self._listeners.items() if link.endswith(f">{name}")]

    def _listen(self, name: str) -> None:
        for listener in self._listeners_to(name):
            listener.listen()


class Operator(Started):
    """What a cluster and its operators do: probe balancers, register substations where they should be, set limits."""

    def __init__(self, grid: TorturedGrid, recorder: Recorder, clock: Clock) -> None:
        self._grid, self._recorder, self._clock = grid, recorder, clock
        self._members: dict[tuple[str, str], bool] = {}
        self._limits_kw: dict[str, float] = {}
        self.want_all()
        self._done: dict[tuple[str, str], tuple[int, bool]] = {}  # in which process it is so
        self._limited_kw = dict(grid.capacities_kw)
        self._missed = dict.fromkeys(grid.shape.balancer_names, MISSED_PROBES)
        self._stop = threading.Event()
        work = [(self._look_after_balancer, each) for each in grid.balancers]
        work += [(self._look_after_substation, each) for each in grid.substations]
        self._threads = [threading.Thread(target=self._run, args=each, daemon=True) for each in work]

    def start(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(JOIN_TIMEOUT_S)

    def want(self, balancer: str, substation: str, *, is_member: bool) -> None:
        self._members[balancer, substation] = is_member

    def limit(self, substation: str, capacity_kw: float) -> None:
        self._limits_kw[substation] = capacity_kw

    def want_all(self) -> None:
        """All substations in the fleet, with all their capacity."""
        shape = self._grid.shape
        for balancer in shape.balancer_names:
            for substation in shape.by_hand:
                if substation in shape.members_of(balancer):
                    self.want(balancer, substation, is_member=True)
        self._limits_kw |= self._grid.capacities_kw

    def is_done(self) -> bool:
        are_set = all(self._limited_kw[name] == kw for name, kw in list(self._limits_kw.items()))
        return are_set and all(
            self._done.get(each) == (self._grid.by_name[each[0]].pid, is_member)
            for each, is_member in list(self._members.items())
        )

    def _run(self, look_after: Callable[[Process], None], process: Process) -> None:
        while not self._stop.wait(OPERATOR_PAUSE_S):
            look_after(process)

    def _look_after_balancer(self, balancer: Process) -> None:
        self._probe(balancer)
        for (at, substation), is_member in list(self._members.items()):
            if at == balancer.folder.name:
                self._see_to(balancer, substation, is_member)

    def _look_after_substation(self, substation: Process) -> None:
        name = substation.folder.name
        capacity_kw, begun_s = self._limits_kw[name], self._clock()
        if capacity_kw == self._limited_kw[name]:
            return
        reply = substation.try_call("PUT", "/capacity", json={"capacity_kw": capacity_kw}, timeout_s=OPERATOR_TIMEOUT_S)
        is_set = reply is not None and reply.status == 200
        self._recorder.add(Limit(begun_s, self._clock(), self._grid.shape.path_of(name), capacity_kw, is_set))
        if is_set:
            self._limited_kw[name] = capacity_kw

    def _probe(self, balancer: Process) -> None:
        name = balancer.folder.name
        reply = balancer.try_call("GET", "/ready", timeout_s=PROBE_TIMEOUT_S)
        self._missed[name] = 0 if reply is not None and reply.status == 200 else self._missed[name] + 1
        for link, way in self._grid.links.items():
            if link.endswith(f">{name}"):
                way.usable = self._missed[name] < MISSED_PROBES

    def _see_to(self, balancer: Process, substation: str, is_member: bool) -> None:
        place, state = (balancer.folder.name, substation), (balancer.pid, is_member)
        if self._done.get(place) == state:
            return
        name, url = self._grid.registration(*place)
        if is_member:
            method, path, body = "POST", "/substations", {"name": name, "url": url}
        else:
            method, path, body = "DELETE", f"/substations/{quote(url, safe='')}", None
        reply = balancer.try_call(method, path, json=body, timeout_s=OPERATOR_TIMEOUT_S)
        if reply is not None and reply.status in (200, 201, 404):
            self._done[place] = state
