"""A plan of faults follows from its seed, and leaves nothing broken."""

from __future__ import annotations

import pytest

from torture.plan import Step, draw_plan, draw_shape

SEEDS = range(20)
BREAKS = {
    "kill": {"start", "start-empty"},
    "terminate": {"start"},
    "freeze": {"thaw", "kill"},
    "refuse": {"start", "start-empty"},
    "remove": {"register"},
    "limit": {"unlimit"},
    "stall": {"unstall"},
    **{each: {"mend"} for each in ("slow", "held", "lost", "deaf", "cut", "cut-answers")},
}


def plan(seed: int) -> list[Step]:
    return draw_plan(seed, draw_shape(seed), 60.0, 0.5)


def place(step: Step) -> tuple[str, str]:
    """What is wrong with a process or its disk, who is a member, and limits have nothing to do with each other."""
    of_their_own = {"remove": "member", "register": "member", "limit": "limit", "unlimit": "limit"}
    return step.target, {**of_their_own, "stall": "disk", "unstall": "disk"}.get(step.action, "")


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert plan(1) == plan(1)
    assert plan(1) != plan(2)


def test_every_link_is_between_two_processes_of_the_grid() -> None:
    shapes = [draw_shape(seed) for seed in SEEDS]
    for shape in shapes:
        ends = [link.split(">") for link in shape.links]
        assert {called for _, called in ends} == {*shape.balancer_names, *shape.substation_names}
        assert {caller for caller, _ in ends} == {*shape.gateway_names, *shape.balancer_names}
    assert any(shape.regions for shape in shapes)
    assert not all(shape.regions for shape in shapes)


def test_the_steps_are_in_the_order_of_time_and_within_the_storm() -> None:
    for seed in SEEDS:
        times_s = [step.at_s for step in plan(seed)]
        assert times_s == sorted(times_s)
        assert times_s[-1] <= 60.0


def test_whatever_breaks_is_mended() -> None:
    for seed in SEEDS:
        latest = {place(step): step.action for step in plan(seed)}
        assert not set(latest.values()) & BREAKS.keys()


def test_nothing_breaks_twice_before_it_is_mended() -> None:
    for seed in SEEDS:
        broken: dict[tuple[str, str], str] = {}
        for step in plan(seed):
            here = place(step)
            if step.action in BREAKS and not (step.action == "refuse" or broken.get(here) == "freeze"):
                assert here not in broken
                broken[here] = step.action
            elif step.action in BREAKS.get(broken.get(here, ""), ()):
                broken.pop(here)


@pytest.mark.parametrize("action", sorted(BREAKS))
def test_every_fault_strikes_at_some_seed(action: str) -> None:
    assert any(step.action == action for seed in SEEDS for step in plan(seed))
