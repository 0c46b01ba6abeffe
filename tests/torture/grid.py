"""The grid that is tortured: real processes, and a link that can fail between any two that talk to each other.

    gateway-i ──▶ Listener over links to all balancers ──▶ balancer-j ──▶ link ──▶ substation-k

A gateway reaches the balancers as through a Kubernetes Service: each new connection goes to any one of those that say
that they are ready. A balancer reaches each substation by a listener of its own. Some substations are in the balancers'
settings, the others are registered by hand; the `Operator` sees to it that they are registered where they should be,
also at a balancer that has lost its folder.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote

from support.processes import Process, Started, start_all
from support.tcp_proxy import Fault, Link, Listener
from torture.plan import Shape, Step

END_IN_ORDER_TIMEOUT_S = 15.0
OPERATOR_PAUSE_S = 0.3
OPERATOR_TIMEOUT_S = 2.0
PROBE_TIMEOUT_S = 1.0
MISSED_PROBES = 2  # as a kubelet, who does not believe the first
FAULTS = {"slow": Fault.SLOW, "held": Fault.HELD, "lost": Fault.LOST, "deaf": Fault.DEAF, "cut": Fault.CUT}


class TorturedGrid(Started):
    def __init__(self, folder: Path, shape: Shape, capacities_kw: list[float], time_scale: float, seed: int) -> None:
        self.shape = shape
        self.substations = [
            Process("substation", folder / name, name=name, capacity_kw=kw, time_scale=time_scale, drain_timeout_s=2)
            for name, kw in ((f"substation-{i}", kw) for i, kw in enumerate(capacities_kw))
        ]
        self.links: dict[str, Link] = {}
        self._listeners: dict[str, Listener] = {}
        self.balancers = [self._balancer(folder / f"balancer-{i}", f"balancer-{i}") for i in range(shape.balancers)]
        self.gateways = [self._gateway(folder / f"gateway-{i}", f"gateway-{i}", seed) for i in range(shape.gateways)]
        self.by_name = {each.folder.name: each for each in (*self.substations, *self.balancers, *self.gateways)}
        self.kills = 0
        self._operator = Operator(self)
        self._stack = ExitStack()

    def _balancer(self, folder: Path, name: str) -> Process:
        for substation in self.substations:
            link = f"{name}>{substation.folder.name}"
            self.links[link] = Link(substation.port)
            self._listeners[link] = Listener([self.links[link]])
        fixed = [each for each in self.shape.substation_names if each not in self.shape.by_hand]
        fleet = ",".join(f"{each}={self._listeners[f'{name}>{each}'].url}" for each in fixed)
        return Process("balancer", folder, name=name, substations=fleet, poll_interval_s=0.5, drain_timeout_s=2)

    def _gateway(self, folder: Path, name: str, seed: int) -> Process:
        links = {f"{name}>{each.folder.name}": Link(each.port, usable=False) for each in self.balancers}
        self.links |= links
        self._listeners[name] = Listener(list(links.values()), seed)
        return Process("gateway", folder, balancer_url=self._listeners[name].url, drain_timeout_s=2)

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
        for name, process in self.by_name.items():
            self._listen(name)
            if process.running:
                process.popen.send_signal(signal.SIGCONT)
            else:
                process.launch()
        for balancer in self.balancers:
            for substation in self.shape.by_hand:
                self._operator.want(balancer.folder.name, substation, is_member=True)

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
        return {s["name"] for s in reply.json()["substations"] if s["in_rotation"]} == set(self.shape.substation_names)

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
            case "start" | "start-empty":
                self._start_again(process, is_emptied=step.action == "start-empty")
                self._listen(step.target)

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
    """What a cluster and its operators do: probes the balancers, and registers substations where they should be."""

    def __init__(self, grid: TorturedGrid) -> None:
        self._grid = grid
        self._wanted = {(b.folder.name, s): True for b in grid.balancers for s in grid.shape.by_hand}
        self._done: dict[tuple[str, str], tuple[int, bool]] = {}  # in which process it is so
        self._missed = dict.fromkeys((each.folder.name for each in grid.balancers), MISSED_PROBES)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(each,), daemon=True) for each in grid.balancers]

    def start(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def want(self, balancer: str, substation: str, *, is_member: bool) -> None:
        self._wanted[balancer, substation] = is_member

    def is_done(self) -> bool:
        return all(
            self._done.get(each) == (self._grid.by_name[each[0]].pid, is_member)
            for each, is_member in list(self._wanted.items())
        )

    def _run(self, balancer: Process) -> None:
        name = balancer.folder.name
        while not self._stop.wait(OPERATOR_PAUSE_S):
            self._probe(name, balancer)
            for (at, substation), is_member in list(self._wanted.items()):
                if at == name:
                    self._see_to(balancer, substation, is_member)

    def _probe(self, name: str, balancer: Process) -> None:
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
            reply = balancer.try_call(
                "POST", "/substations", json={"name": name, "url": url}, timeout_s=OPERATOR_TIMEOUT_S
            )
        else:
            reply = balancer.try_call("DELETE", f"/substations/{quote(url, safe='')}", timeout_s=OPERATOR_TIMEOUT_S)
        if reply is not None and reply.status in (200, 201, 404):
            self._done[place] = state
