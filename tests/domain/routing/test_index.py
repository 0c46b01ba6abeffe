"""With the index a policy chooses just whom a plain walk over all members would choose."""

from __future__ import annotations

from collections.abc import Container, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.routing import plain
from smartgrid.domain.belief import Belief
from smartgrid.domain.request import PowerRange
from smartgrid.domain.routing.candidate import TIES, Candidate
from smartgrid.domain.routing.index import FleetIndex
from smartgrid.domain.routing.policies.best_fit import BestFit
from smartgrid.domain.routing.policies.least_loaded import LeastLoaded
from smartgrid.domain.status import Status

CAPACITIES_KW = st.one_of(st.sampled_from([80.0, 100.0, 120.0]), st.floats(10, 500))
POWERS = st.one_of(
    st.sampled_from([3.7, 7.4, 11.0, 22.0, 50.0]).map(lambda kw: PowerRange(kw, kw)),
    st.tuples(st.floats(1, 60), st.floats(0, 60)).map(lambda kws: PowerRange(kws[0], kws[0] + kws[1])),
)


class World:
    """Members whose sessions come and go, in an index and in a plain list."""

    def __init__(self, seed: int, capacities_kw: Sequence[float]) -> None:
        self.rng = Random(seed)
        self.index = FleetIndex()
        self.beliefs = [Belief(f"s{number}", number) for number in range(len(capacities_kw))]
        self.candidates: dict[int, Candidate] = {}
        self.capacities_kw = capacities_kw
        self.sessions: list[list[PowerRange]] = [[] for _ in capacities_kw]
        for number in range(len(capacities_kw)):
            self.set_sessions(number, [])

    def set_sessions(self, number: int, sessions: list[PowerRange]) -> None:
        self.sessions[number] = sessions
        capacity_kw = self.capacities_kw[number]
        committed_kw, demand_kw = sum(p.min_kw for p in sessions), sum(p.max_kw for p in sessions)
        room_kw = max(0.0, capacity_kw - committed_kw)
        belief = self.beliefs[number]
        belief.status = Status(capacity_kw, 0, committed_kw, demand_kw, len(sessions), 1, None, room_kw)
        candidate = belief.candidate(self.rng.getrandbits(TIES))
        assert candidate is not None
        self.candidates[number] = candidate
        self.index.put(candidate)

    def leave(self, number: int) -> None:
        self.index.drop(number)
        self.candidates.pop(number, None)

    def something_else_happens(self) -> None:
        """A session ends, or a member leaves, or one comes back."""
        number = self.rng.randrange(len(self.beliefs))
        what = self.rng.random()
        if what < 0.1 and len(self.candidates) > 1:
            self.leave(number)
        elif what < 0.2 or self.sessions[number]:
            self.set_sessions(number, self.sessions[number][1:])

    def some(self) -> Container[str]:
        """Whom a car may have asked already: mostly no one."""
        if self.rng.random() < 0.7:
            return set()
        return {belief.name for belief in self.beliefs if self.rng.random() < 0.1}

    def everyone(self) -> list[Candidate]:
        return list(self.candidates.values())

    def place(self, chosen: Candidate | None, power: PowerRange) -> None:
        if chosen is not None:
            self.set_sessions(chosen.order, [*self.sessions[chosen.order], power])


WORLDS = st.builds(World, st.integers(0, 2**32), st.lists(CAPACITIES_KW, min_size=1, max_size=12))


@settings(max_examples=60)
@given(WORLDS, st.lists(POWERS, max_size=120))
def test_least_loaded(world: World, cars: list[PowerRange]) -> None:
    policy = LeastLoaded()
    for power in cars:
        world.something_else_happens()
        excluded = world.some()
        chosen = policy.choose(world.index, power, excluded)
        assert chosen is plain.least_loaded(world.everyone(), power, excluded, policy.common_sizes_kw)
        world.place(chosen, power)


@settings(max_examples=30)
@given(WORLDS, st.lists(POWERS, max_size=120))
def test_best_fit(world: World, cars: list[PowerRange]) -> None:
    for power in cars:
        world.something_else_happens()
        excluded = world.some()
        chosen = BestFit().choose(world.index, power, excluded)
        assert chosen is plain.best_fit(world.everyone(), power, excluded)
        world.place(chosen, power)


def test_least_loaded_in_a_fleet_of_many_blocks() -> None:
    policy, rng = LeastLoaded(), Random(3)
    world = World(3, [rng.choice([90.0, 100.0, 110.0]) for _ in range(600)])
    for number in range(3000):
        kw = rng.choice([3.7, 11.0, 22.0, 50.0])
        power = PowerRange(min(kw, 4.14) if number % 3 else kw, kw)
        chosen = policy.choose(world.index, power, ())
        if number % 10 == 0:
            assert chosen is plain.least_loaded(world.everyone(), power, (), policy.common_sizes_kw)
        world.place(chosen, power)


@pytest.mark.parametrize("seed", range(3))
def test_what_the_index_tells_of_all_while_a_fleet_fills_up_and_empties(seed: int) -> None:
    rng = Random(seed)
    world = World(seed, [rng.uniform(80, 120) for _ in range(200)])
    for _ in range(1500):
        number = rng.randrange(200)
        full = PowerRange(22, 22) if rng.random() < 0.7 else PowerRange(3.7, 3.7)
        if world.candidates[number].has_room(full.min_kw):
            world.set_sessions(number, [*world.sessions[number], full])
        else:
            world.set_sessions(number, [])
        everyone = sorted(world.everyone(), key=lambda c: c.room_kw)
        min_kw = rng.uniform(0, 120)
        assert list(world.index.with_room(min_kw)) == [c for c in everyone if c.has_room(min_kw)]
        assert world.index.count_with_room(min_kw) == sum(c.has_room(min_kw) for c in everyone)
        position = rng.randrange(200)
        assert world.index.roomiest(position) is everyone[-1 - position]
        assert list(world.index.most_rooms_kw(position)) == [c.room_kw for c in everyone[: -1 - position : -1]]
    assert world.index.mean_capacity_kw == pytest.approx(sum(world.capacities_kw) / 200)


def test_members_with_equal_keys_are_told_apart() -> None:
    """Chance makes keys differ, nearly always."""
    index = FleetIndex()
    status = Status(100.0, 0, 0, 0, 0, 1, None, 100.0)
    twins = [Candidate(f"s{number}", number, status, 100.0, 0.0, 100.0, 0.0, False) for number in range(200)]
    for candidate in twins:
        index.put(candidate)
    for candidate in twins[::2]:
        index.drop(candidate.order)
    assert sorted(c.order for c in index.with_room(100.0)) == list(range(1, 200, 2))


def test_in_turn_goes_round_once_from_the_next_one() -> None:
    world = World(1, [100.0] * 5)
    world.leave(3)
    assert [candidate.order for candidate in world.index.in_turn(after=1)] == [2, 4, 0, 1]
    assert [candidate.order for candidate in world.index.in_turn(after=3)] == [4, 0, 1, 2]
    assert [candidate.order for candidate in world.index.in_turn(after=9)] == [0, 1, 2, 4]
