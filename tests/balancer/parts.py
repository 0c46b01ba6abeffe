"""The parts of a balancer in this process, in front of substations on a script."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from smartgrid.balancer.discovery import Member
from smartgrid.balancer.live_fleet import LiveFleet
from smartgrid.balancer.placement.attempt import Car
from smartgrid.balancer.placement.directory import Directory
from smartgrid.balancer.placement.fleet_use import FleetUse
from smartgrid.balancer.placement.placement import Placed, Placement
from smartgrid.domain.fleet import Fleet
from smartgrid.domain.quotas import UNBOUNDED, Quota
from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing import make_policy
from smartgrid.protocol.numbers import Number
from support.scripted_substation import ScriptedSubstation

BALANCER_ID = 77
POWER = PowerRange(1, 11)
BODY = b'{"vehicle_id": "EV-1", "energy_kwh": 10, "max_power_kw": 11, "min_power_kw": 1}'
WAITING_BODY = b'{"vehicle_id": "EV-1", "energy_kwh": 10, "max_power_kw": 11, "min_power_kw": 1, "wait": true}'


@dataclass
class Parts:
    """No telemetry: what the fleet and the directory know is what a test tells them, and their own placements."""

    fleet: LiveFleet
    directory: Directory
    placement: Placement
    let_down: list[str] = field(default_factory=list)

    def join(self, stub: ScriptedSubstation) -> None:
        """A member, seen as it is now."""
        self.fleet.join(Member(stub.name, stub.url))
        substation = self.fleet.substation(stub.name)
        assert substation is not None
        self.fleet.saw_status(substation, stub.status())

    def see(self, stub: ScriptedSubstation) -> None:
        """What it says of itself now."""
        substation = self.fleet.substation(stub.name)
        assert substation is not None
        self.fleet.saw_status(substation, stub.status())

    def place(
        self, key: str = "key", number: Number = (1_000,), body: bytes = BODY, owner: str | None = None
    ) -> Placed:
        return self.placement.place(Car(body, POWER, key, number, owner))

    def place_or_wait(
        self, key: str = "key", number: Number = (1_000,), *, may_wait: bool = True, owner: str | None = None
    ) -> Placed:
        """A car that waits where there is no room, unless this balancer was told that it may not (yet)."""
        return self.placement.place(Car(WAITING_BODY, POWER, key, number, owner, wants_to_wait=True, may_wait=may_wait))

    def assert_nothing_reserved(self) -> None:
        for seen in self.fleet.seen():
            assert (seen.view.reserved_min_kw, seen.view.reserved_max_kw) == (0, 0)


@contextmanager
def parts_of(
    stubs: Iterable[ScriptedSubstation],
    *,
    attempt_timeout_s: float = 10.0,
    request_timeout_s: float = 30.0,
    quota: Quota = UNBOUNDED,
) -> Iterator[Parts]:
    rng, use = random.Random(1), FleetUse(quota)
    directory, let_down = Directory(use=use), list[str]()
    fleet = LiveFleet(Fleet(make_policy("least-loaded", rng), rng), on_forgotten=directory.forget_member)
    placement = Placement(
        fleet,
        directory,
        use,
        balancer_id=BALANCER_ID,
        attempt_timeout_s=attempt_timeout_s,
        request_timeout_s=request_timeout_s,
        let_down=let_down.append,
    )
    parts = Parts(fleet, directory, placement, let_down)
    for stub in stubs:
        parts.join(stub)
    try:
        yield parts
    finally:
        for each in fleet.substations():
            each.client.close()
