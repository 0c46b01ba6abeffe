"""Which faults strike when: a pure function of a seed, so that a round can be repeated.

A plan is a list of steps in the order of time. Most faults are two steps, what breaks and what mends it, and no other
fault strikes the same process or link between the two. Faults at different places overlap as chance has it. The last
step of a plan leaves nothing broken.

What real time makes of a plan differs a little from run to run, since a busy machine is late; which faults strike
where, in which order and for how long, does not.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product

GATEWAYS, BALANCERS, SUBSTATIONS = 2, (2, 3), (3, 5)
REGIONS, REGION_BALANCERS, REGIONS_SHARE = ("west", "east"), 2, 0.25
LONGEST_S = 6.0
LINK_FAULTS = ("slow", "held", "lost", "deaf", "cut")


@dataclass(frozen=True)
class Shape:
    """The grid of a round. The last `registered` substations are registered by hand, the others are settings.

    With regions each has two balancers of its own over every second substation, behind one name, and the `balancers`
    have the regions as members.
    """

    gateways: int
    balancers: int
    substations: int
    registered: int
    regions: tuple[str, ...] = ()

    @property
    def gateway_names(self) -> list[str]:
        return [f"gateway-{i}" for i in range(self.gateways)]

    @property
    def front(self) -> list[str]:
        """The balancers that gateways call."""
        return [f"balancer-{i}" for i in range(self.balancers)]

    @property
    def balancer_names(self) -> list[str]:
        return self.front + [name for region in self.regions for name in self.behind(region)]

    @property
    def substation_names(self) -> list[str]:
        return [f"substation-{i}" for i in range(self.substations)]

    @property
    def by_hand(self) -> list[str]:
        return self.substation_names[self.substations - self.registered :]

    @property
    def names(self) -> list[str]:
        return [*self.gateway_names, *self.balancer_names, *self.substation_names]

    def behind(self, member: str) -> list[str]:
        """The processes that answer under a member's name."""
        return [f"{member}-{i}" for i in range(REGION_BALANCERS)] if member in self.regions else [member]

    def region_of(self, substation: str) -> str:
        """Empty where there are no regions."""
        return self.regions[self.substation_names.index(substation) % len(self.regions)] if self.regions else ""

    def path_of(self, substation: str) -> str:
        """As clients see it in the ids of its sessions."""
        return f"{region}.{substation}" if (region := self.region_of(substation)) else substation

    def members_of(self, balancer: str) -> list[str]:
        if balancer in self.front and self.regions:
            return list(self.regions)
        region = balancer.rpartition("-")[0] if self.regions else ""
        return [each for each in self.substation_names if self.region_of(each) == region]

    @property
    def links(self) -> list[str]:
        """`gateway-0>balancer-1` and so on: which process calls which."""
        from_gateways = [f"{gateway}>{balancer}" for gateway, balancer in product(self.gateway_names, self.front)]
        return from_gateways + [
            f"{balancer}>{process}"
            for balancer in self.balancer_names
            for member in self.members_of(balancer)
            for process in self.behind(member)
        ]


@dataclass(frozen=True)
class Step:
    """`action` on `target`, at seconds from the plan's begin; `amount` is a delay, a count or a share."""

    at_s: float
    action: str
    target: str
    amount: float = 0.0


def draw_shape(seed: int) -> Shape:
    rng = random.Random(f"shape {seed}")
    if rng.random() < REGIONS_SHARE:
        return Shape(GATEWAYS, BALANCERS[0], 2 * len(REGIONS), rng.randint(1, 2), REGIONS)
    return Shape(GATEWAYS, rng.randint(*BALANCERS), rng.randint(*SUBSTATIONS), rng.randint(1, 2))


def draw_plan(seed: int, shape: Shape, duration_s: float, pause_s: float) -> list[Step]:
    """Faults over `duration_s`, a new one every `pause_s` on average; all are mended by the end."""
    rng, draft = random.Random(f"plan {seed}"), _Draft(duration_s)
    kinds, weights = zip(*_KINDS.items(), strict=True)
    at_s = 0.0
    while (at_s := at_s + rng.expovariate(1 / pause_s)) < duration_s:
        (kind,) = rng.choices(kinds, weights)
        for step in kind(rng, shape, at_s):
            draft.add(step)
    return sorted(draft.steps, key=lambda step: step.at_s)


@dataclass
class _Fault:
    """Steps that belong together, and what no other fault may strike from the first to the last of them."""

    places: frozenset[str]
    steps: list[Step]


@dataclass
class _Draft:
    duration_s: float
    steps: list[Step] = field(default_factory=list)
    _taken_until_s: dict[str, float] = field(default_factory=dict)

    def add(self, fault: _Fault) -> None:
        """Take a fault over, unless something else is wrong there already."""
        if fault.steps[0].at_s >= self.duration_s:
            return
        if any(fault.steps[0].at_s <= self._taken_until_s.get(place, 0.0) for place in fault.places):
            return
        steps = [Step(min(s.at_s, self.duration_s), s.action, s.target, s.amount) for s in fault.steps]
        self.steps += steps
        self._taken_until_s |= dict.fromkeys(fault.places, steps[-1].at_s)


_Kind = Callable[[random.Random, Shape, float], Iterator[_Fault]]


def _kill(rng: random.Random, shape: Shape, at_s: float) -> Iterator[_Fault]:
    """`kill -9`, and a start after a while: with nothing listening meanwhile, or with connections that are reset."""
    yield _down(rng, rng.choice(shape.names), at_s, "kill", "start")


def _replace(rng: random.Random, shape: Shape, at_s: float) -> Iterator[_Fault]:
    """A balancer's pod is deleted: the new one has an empty folder."""
    yield _down(rng, rng.choice(shape.balancer_names), at_s, "kill", "start-empty")


def _kill_together(rng: random.Random, shape: Shape, at_s: float) -> Iterator[_Fault]:
    """Some at one moment, as when a node dies."""
    for name in rng.sample(shape.names, rng.randint(2, 3)):
        yield _down(rng, name, at_s, "kill", "start")


def _roll(rng: random.Random, shape: Shape, at_s: float) -> Iterator[_Fault]:
    """One service after the other ends in order and starts again, as a rollout does."""
    for i, name in enumerate(rng.choice((shape.gateway_names, shape.balancer_names, shape.substation_names))):
        down_s, begun_s = rng.uniform(0.2, 1.0), at_s + 2.5 * i
        yield _Fault(frozenset({name}), [Step(begun_s, "terminate", name), Step(begun_s + down_s, "start", name)])


def _freeze(rng: random.Random, shape: Shape, at_s: float) -> Iterator[_Fault]:
    name = rng.choice(shape.names)
    steps = [Step(at_s, "freeze", name), Step(at_s + _duration_s(rng), "thaw", name)]
    yield _Fault(frozenset({name}), steps)


def _kill_frozen(rng: random.Random, shape: Shape, at_s: float) -> Iterator[_Fault]:
    """It holds what it was sent, never answers, and is gone."""
    name, frozen_s = rng.choice(shape.names), rng.uniform(0.5, 2.0)
    down = _down(rng, name, at_s + frozen_s, "kill", "start")
    yield _Fault(frozenset({name}), [Step(at_s, "freeze", name), *down.steps])


def _link(rng: random.Random, shape: Shape, at_s: float) -> Iterator[_Fault]:
    yield _broken(rng, rng.choice(shape.links), at_s, rng.choice(LINK_FAULTS), _duration_s(rng))


def _part(rng: random.Random, shape: Shape, at_s: float) -> Iterator[_Fault]:
    """One process is cut off from all others in the same way, for the same time."""
    name, action, duration_s = rng.choice(shape.names), rng.choice(LINK_FAULTS[1:]), _duration_s(rng)
    for link in shape.links:
        if name in link.split(">"):
            yield _broken(rng, link, at_s, action, duration_s)


def _split(rng: random.Random, shape: Shape, at_s: float) -> Iterator[_Fault]:
    """One balancer sees some of its members, the others see the others."""
    action, duration_s = rng.choice(LINK_FAULTS[1:]), _duration_s(rng)
    alone = rng.choice(shape.balancer_names)
    members = shape.members_of(alone)
    half = rng.sample(members, len(members) // 2)
    for balancer in shape.balancer_names:
        if shape.members_of(balancer) == members:
            for member in half if balancer == alone else [each for each in members if each not in half]:
                for process in shape.behind(member):
                    yield _broken(rng, f"{balancer}>{process}", at_s, action, duration_s)


def _cut_answers(rng: random.Random, shape: Shape, at_s: float) -> Iterator[_Fault]:
    """Charges are done and their answers are lost: of the next one to three on a link."""
    link = rng.choice(shape.links)
    steps = [Step(at_s, "cut-answers", link, rng.randint(1, 3)), Step(at_s + 3.0, "mend", link)]
    yield _Fault(frozenset({link}), steps)


def _leave(rng: random.Random, shape: Shape, at_s: float) -> Iterator[_Fault]:
    """A substation leaves the fleet and returns: at all balancers, one a little after the other, or at one alone."""
    name = rng.choice(shape.by_hand)
    balancers = [each for each in shape.balancer_names if name in shape.members_of(each)]
    back_s = at_s + _duration_s(rng)
    for balancer in balancers if rng.random() < 0.7 else [rng.choice(balancers)]:
        target, lag_s = f"{balancer}>{name}", rng.uniform(0, 0.5)
        steps = [Step(at_s + lag_s, "remove", target), Step(back_s + lag_s, "register", target)]
        yield _Fault(frozenset({f"{name} at {balancer}"}), steps)


def _limit(rng: random.Random, shape: Shape, at_s: float) -> Iterator[_Fault]:
    """The grid operator cuts a substation's capacity for a while."""
    name = rng.choice(shape.substation_names)
    steps = [Step(at_s, "limit", name, rng.uniform(0.1, 0.9)), Step(at_s + _duration_s(rng), "unlimit", name)]
    yield _Fault(frozenset({f"limit of {name}"}), steps)


def _stall(rng: random.Random, shape: Shape, at_s: float) -> Iterator[_Fault]:
    """A substation's disk takes no change for a while; mostly the substation is killed in it."""
    name, duration_s = rng.choice(shape.substation_names), _duration_s(rng)
    places = {f"disk of {name}"}
    steps = [Step(at_s, "stall", name), Step(at_s + duration_s, "unstall", name)]
    if rng.random() < 0.6:
        places.add(name)
        steps += _down(rng, name, at_s + rng.uniform(0, duration_s), "kill", "start").steps
    yield _Fault(frozenset(places), sorted(steps, key=lambda step: step.at_s))


_KINDS: dict[_Kind, float] = {
    _kill: 30,
    _kill_together: 5,
    _replace: 10,
    _roll: 3,
    _freeze: 10,
    _kill_frozen: 4,
    _link: 16,
    _part: 7,
    _split: 4,
    _cut_answers: 14,
    _leave: 8,
    _limit: 4,
    _stall: 12,
}
"""The kinds of faults, and how often each is drawn in comparison."""


def _down(rng: random.Random, name: str, at_s: float, end: str, start: str) -> _Fault:
    refuses = rng.random() < 0.7  # as a host does; else as a network that still knows the dead
    steps = [Step(at_s, end, name), Step(at_s + rng.uniform(0.1, 2.5), start, name)]
    if refuses:
        steps.insert(1, Step(at_s, "refuse", name))
    return _Fault(frozenset({name}), steps)


def _broken(rng: random.Random, link: str, at_s: float, action: str, duration_s: float) -> _Fault:
    delay_s = rng.uniform(0.05, 1.0) if action == "slow" else 0.0
    return _Fault(frozenset({link}), [Step(at_s, action, link, delay_s), Step(at_s + duration_s, "mend", link)])


def _duration_s(rng: random.Random) -> float:
    """Mostly short, at times longer than everyone waits for an answer."""
    return min(LONGEST_S, rng.choice((0.3, 1.0, 1.5, 4.0)) * rng.uniform(0.5, 2.0))
