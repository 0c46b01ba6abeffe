"""A region of several balancers behind one name, as a Kubernetes Service has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from balancer.scripted_grid import charge, seen
from support.grid import PATIENT_BALANCER, metric
from support.processes import Process, running, wait_until
from support.scripted_substation import ScriptedSubstations
from support.tcp_proxy import Fault, Link, Listener

pytestmark = pytest.mark.timeout(300)


@dataclass
class Twins:
    """Two balancers over the same substations, behind one name."""

    stubs: ScriptedSubstations
    balancers: list[Process]
    links: list[Link]
    service: Listener

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.service.port}"

    def hang_up(self) -> None:
        """End all connections, so that the next ones may reach the other balancer."""
        for link in self.links:
            link.fail(Fault.CUT)
            link.mend()

    def charging(self) -> list[str]:
        return [f"{stub.name}.{each.session_id}" for stub in self.stubs for each in stub.charging()]


@pytest.fixture
def twins(tmp_path: Path) -> Iterator[Twins]:
    with ExitStack() as stack:
        stubs = stack.enter_context(ScriptedSubstations(["one", "two"]))
        settings = {"poll_interval_s": 0.25, "substations": stubs.listed(), "name": "west", **PATIENT_BALANCER}
        balancers = [Process("balancer", tmp_path / f"twin-{i}", **settings) for i in range(2)]
        stack.enter_context(running(*balancers))
        links = [Link(each.port) for each in balancers]
        for link in links:
            stack.callback(link.close)
        service = stack.enter_context(Listener(links, seed=1))
        yield Twins(stubs, balancers, links, service)


@pytest.fixture
def top(twins: Twins, tmp_path: Path) -> Iterator[Process]:
    settings = {"poll_interval_s": 0.25, "substations": f"west={twins.url}", **PATIENT_BALANCER}
    with Process("balancer", tmp_path / "top", **settings) as top:
        yield top


def test_a_region_of_two_balancers_is_seen_as_it_is_whichever_of_them_answers(twins: Twins, top: Process) -> None:
    for number in range(12):
        twins.stubs["one" if number % 2 else "two"].put(f"key-{number}", (number + 1,))
        if number % 4 == 3:
            twins.hang_up()

        wait_until(lambda n=number: seen(top, "west")["active_sessions"] == n + 1, 30, f"{number + 1} sessions")
    wait_until(lambda: metric(top, "keys_known") == 12, 30, "and their keys")


def test_a_key_keeps_its_session_whichever_of_a_regions_balancers_is_asked(twins: Twins, top: Process) -> None:
    placed = {f"key-{i}": charge(top, f"key-{i}").json()["session_id"] for i in range(6)}
    twins.hang_up()

    again = {key: charge(top, key).json()["session_id"] for key in placed}

    assert again == placed
    assert sorted(f"west.{each}" for each in twins.charging()) == sorted(placed.values())
