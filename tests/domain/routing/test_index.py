"""The indexed policies choose just whom a plain scan over all substations would choose."""

from __future__ import annotations

from collections.abc import Callable, Container
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.routing import plain
from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.best_fit import BestFit
from smartgrid.domain.routing.candidate import TIES, Candidate
from smartgrid.domain.routing.least_loaded import LeastLoaded
from smartgrid.domain.status import Status

CAPACITIES_KW = st.one_of(st.sampled_from([80.0, 100.0, 120.0]), st.floats(10, 500))
POWERS = st.one_of(
    st.sampled_from([3.7, 7.4, 11.0, 22.0, 50.0]).map(lambda kw: PowerRange(kw, kw)),
    st.tuples(st.floats(1, 60), st.floats(0, 60)).map(lambda kws: PowerRange(kws[0], kws[0] + kws[1])),
)


class World:
    """Substations whose sessions come and go, in a policy and in a plain list."""

    def __init__(self, policy: LeastLoaded | BestFit, seed: int) -> None:
        self.policy = policy
        self.rng = Random(seed)
        self.candidates: list[Candidate] = []
        self.sessions: dict[str, list[PowerRange]] = {}

    def join(self, capacity_kw: float) -> None:
        candidate = Candidate(f"s{len(self.candidates)}", len(self.candidates))
        self.candidates.append(candidate)
        self.sessions[candidate.name] = []
        self._see(candidate, capacity_kw)
        self.policy.add(candidate)

    def change(self, candidate: Candidate, sessions: list[PowerRange]) -> None:
        self.policy.discard(candidate)
        self.sessions[candidate.name] = sessions
        self._see(candidate, candidate.capacity_kw)
        self.policy.add(candidate)

    def _see(self, candidate: Candidate, capacity_kw: float) -> None:
        sessions = self.sessions[candidate.name]
        committed_kw, demand_kw = sum(p.min_kw for p in sessions), sum(p.max_kw for p in sessions)
        room_kw = max(0.0, capacity_kw - committed_kw)
        candidate.status = Status(capacity_kw, 0, committed_kw, demand_kw, len(sessions), 1, None, room_kw)
        candidate.refresh(self.rng.getrandbits(TIES))

    def excluded(self) -> set[str]:
        return {candidate.name for candidate in self.candidates if self.rng.random() < 0.1}

    def place_and_compare(
        self, power: PowerRange, expected: Callable[[PowerRange, Container[str]], Candidate | None]
    ) -> None:
        """One car comes; sometimes another one goes first, sometimes it has asked around already."""
        if self.rng.random() < 0.4:
            busy = [c for c in self.candidates if self.sessions[c.name]]
            if busy:
                candidate = self.rng.choice(busy)
                self.change(candidate, self.sessions[candidate.name][1:])
        excluded = self.excluded() if self.rng.random() < 0.3 else set()
        chosen = self.policy.choose(power, excluded)
        assert chosen is expected(power, excluded)
        if chosen is not None:
            self.change(chosen, [*self.sessions[chosen.name], power])


@settings(max_examples=60, deadline=None)
@given(st.lists(CAPACITIES_KW, min_size=1, max_size=12), st.lists(POWERS, max_size=120), st.integers(0, 2**32))
def test_least_loaded(capacities_kw: list[float], cars: list[PowerRange], seed: int) -> None:
    policy = LeastLoaded()
    world = World(policy, seed)
    for capacity_kw in capacities_kw:
        world.join(capacity_kw)

    def expected(power: PowerRange, excluded: Container[str]) -> Candidate | None:
        return plain.least_loaded(world.candidates, power, excluded, policy.sizes_kw)

    for power in cars:
        world.place_and_compare(power, expected)


@settings(max_examples=30, deadline=None)
@given(st.lists(CAPACITIES_KW, min_size=1, max_size=12), st.lists(POWERS, max_size=120), st.integers(0, 2**32))
def test_best_fit(capacities_kw: list[float], cars: list[PowerRange], seed: int) -> None:
    world = World(BestFit(), seed)
    for capacity_kw in capacities_kw:
        world.join(capacity_kw)

    def expected(power: PowerRange, excluded: Container[str]) -> Candidate | None:
        return plain.best_fit(world.candidates, power, excluded)

    for power in cars:
        world.place_and_compare(power, expected)


def test_least_loaded_while_a_large_fleet_fills_up_and_empties() -> None:
    """So that the roomiest few are cut down and found anew."""
    policy = LeastLoaded()
    world = World(policy, seed=4)
    for _ in range(300):
        world.join(world.rng.uniform(80, 120))
    for kw in [22.0] * 1300 + [11.0] * 200:
        power = PowerRange(kw, kw)
        chosen = policy.choose(power, ())
        assert chosen is plain.least_loaded(world.candidates, power, (), policy.sizes_kw)
        if chosen is not None:
            world.change(chosen, [*world.sessions[chosen.name], power])
    for candidate in world.candidates:
        world.change(candidate, [])
        assert policy.largest_free_kw() == max(c.free_kw for c in world.candidates)


def test_least_loaded_in_a_fleet_of_many_blocks() -> None:
    policy = LeastLoaded()
    world = World(policy, seed=3)
    for _ in range(1000):
        world.join(world.rng.choice([90.0, 100.0, 110.0]))

    def expected(power: PowerRange, excluded: Container[str]) -> Candidate | None:
        return plain.least_loaded(world.candidates, power, excluded, policy.sizes_kw)

    for number in range(600):
        kw = world.rng.choice([3.7, 11.0, 22.0, 50.0])
        world.place_and_compare(PowerRange(min(kw, 4.14) if number % 3 else kw, kw), expected)
