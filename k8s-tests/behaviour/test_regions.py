"""Two regions in namespaces of their own, and a balancer of regions in a third; one region is cut off under load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from cluster.backend import Backend
from cluster.shell import wait_until
from harness.api import KubeApi
from harness.books import Books, judge
from harness.grid import CAPACITY_KW, Grid
from harness.helm import Helm
from harness.load import Load, running_load
from harness.namespace import restricted_namespace
from harness.steps import pause
from harness.watch import watching

FRONT = "region-front"
REGIONS = {"west": "region-west", "east": "region-east"}
ONE_OF_EACH = {"balancer.replicaCount": 1, "gateway.replicaCount": 1}
CARS_PER_S = 6
CUT_FOR_S = 20.0
KEEPS_UP_S = 60.0


@dataclass(frozen=True)
class Country:
    """The grid with the gateway that drivers use, and those of the regions by name."""

    front: Grid
    regions: dict[str, Grid]

    def in_rotation(self) -> set[str]:
        """The regions that get cars."""
        return self.front.fleet(self.front.pods("balancer")[0].name)

    def recorded(self, region: str) -> list[dict[str, Any]]:
        """All sessions of a region, as the balancer of regions names their substations."""
        grid = self.regions[region]
        found = [session for pod in grid.pods("substation") for session in grid.sessions(pod.name)]
        return [{**each, "substation": f"{region}.{each['substation']}"} for each in found]

    def audit(self, load: Load) -> Books:
        recorded = [session for region in self.regions for session in self.recorded(region)]
        cars = {one.subject for one in load.seen if one.operation == "charge"}
        return judge(recorded, {one.subject: one.session_id for one in load.charged}, cars)


@pytest.fixture(scope="module")
def country(cluster: Backend, api: KubeApi, common_values: dict[str, object]) -> Iterator[Country]:
    with ExitStack() as stack:
        for namespace in (FRONT, *REGIONS.values()):
            stack.enter_context(restricted_namespace(api, namespace))
        grids = {name: Grid(api, cluster, ns, "grid", Helm(cluster, ns, "grid")) for name, ns in REGIONS.items()}
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: grids[name].helm.install(common_values | of_region(name)), grids))
        front = Grid(api, cluster, FRONT, "grid", Helm(cluster, FRONT, "grid"))
        front.helm.install(common_values | of_front())
        yield Country(front, grids)


def of_region(name: str) -> dict[str, object]:
    """A region's values: besides its own gateway, the balancer of regions may call its balancer."""
    return {
        **ONE_OF_EACH,
        "substation.replicaCount": 2,
        "substation.timeScale": 60,
        "substation.capacityKw": CAPACITY_KW,
        "balancer.region": name,
        "balancer.regionAccess.serviceAccounts": [f"system:serviceaccount:{FRONT}:grid-balancer"],
        "balancer.regionAccess.peers": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": FRONT}}}],
    }


def of_front() -> dict[str, object]:
    """Those of the balancer of regions: a token for each region's own audience, and no others'."""
    return {
        **ONE_OF_EACH,
        "substation.enabled": False,
        "global.regions": [
            {
                "name": name,
                "url": f"http://grid-balancer.{namespace}:8080",
                "auth": {"audience": f"smart-grid-{namespace}-grid"},
            }
            for name, namespace in REGIONS.items()
        ],
    }


@contextmanager
def balancer_gone(west: Grid) -> Iterator[None]:
    west.scale("balancer", 0)
    wait_until("the end of west's balancer", lambda: not west.all_pod_names("balancer"), timeout_s=60)
    try:
        yield
    finally:
        west.scale("balancer", 1)
        west.wait_for_rollout("balancer")


@contextmanager
def answers_lost(west: Grid) -> Iterator[None]:
    with west.answers_lost(west.pods("balancer")[0]):
        yield


@pytest.mark.parametrize("cut_off", [balancer_gone, answers_lost])
def test_a_region_that_is_cut_off_charges_on_and_comes_back_with_the_books_exact(
    country: Country, cut_off: Callable[[Grid], AbstractContextManager[None]], tell: Callable[[str], None]
) -> None:
    west = country.regions["west"]
    wait_until("both regions to get cars", lambda: country.in_rotation() == {"west", "east"}, timeout_s=KEEPS_UP_S)
    with running_load(country.front, CARS_PER_S) as load, watching(west) as seen:
        pause("load before the cut", 8)
        with cut_off(west):
            wait_until("west to be out of rotation", lambda: country.in_rotation() == {"east"}, timeout_s=KEEPS_UP_S)
            cut_s, before_kwh = west.now_s(), delivered_kwh(country)
            pause("load with west cut off", CUT_FOR_S)
            after_kwh, back_s = delivered_kwh(country), west.now_s()
        wait_until("west to be back", lambda: country.in_rotation() == {"west", "east"}, timeout_s=KEEPS_UP_S)
        pause("load with west back", 8)
    tell(f"{load.summary()}; cut off for {back_s - cut_s:.0f} s, while west delivered {after_kwh - before_kwh:.0f} kWh")
    tell(seen.summary())

    meanwhile = [one for one in load.charged if cut_s < one.sent_s and one.first_answered_s < back_s]
    assert meanwhile, "cars were charged while west was cut off"
    assert {one.substation.split(".")[0] for one in meanwhile} == {"east"}
    assert {one.substation.split(".")[0] for one in load.charged if one.sent_s > back_s} >= {"west"}
    assert after_kwh > before_kwh, "cars of a region that is cut off go on charging"
    wait_until("one session for each car", lambda: country.audit(load).faults == ([], [], []))
    tell(f"{country.audit(load).superseded} sessions superseded")
    assert load.failed == []
    load.assert_room()
    seen.assert_never_overfilled("grid-substation-0", "grid-substation-1")


def delivered_kwh(country: Country) -> float:
    """By west's substations, so far."""
    return sum(float(session["delivered_kwh"]) for session in country.recorded("west"))


def test_a_driver_chooses_the_region(country: Country) -> None:
    gateway = country.front.pods("gateway")[0].name
    car = {"vehicle_id": "EV-region", "energy_kwh": 1, "region": "east"}

    reply = country.front.charge(gateway, "chooses", car)
    unknown = country.front.charge(gateway, "unknown", {**car, "region": "south"})

    assert (reply.status_code, reply.json()["substation"].split(".")[0]) == (201, "east")
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown-region")
