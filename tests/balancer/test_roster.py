"""Whether the sources of members have been heard, and what their silence means."""

from __future__ import annotations

import math
import random
import threading

import pytest

from smartgrid.balancer.discovery import Publish
from smartgrid.balancer.live_fleet import LiveFleet
from smartgrid.balancer.membership import Membership
from smartgrid.balancer.roster import Roster
from smartgrid.domain.fleet import Fleet
from smartgrid.domain.routing import make_policy


class Source:
    """Has been silent for so long."""

    source = "kubernetes"

    def __init__(self, age_s: float) -> None:
        self._age_s = age_s

    def run(self, publish: Publish, stop: threading.Event) -> None:
        stop.wait()

    def sync_age_s(self, now_s: float) -> float:
        return self._age_s


def roster_of(age_s: float) -> Roster:
    rng = random.Random(1)
    fleet = LiveFleet(Fleet(make_policy("least-loaded", rng), rng))
    return Roster(Membership(fleet, lambda: None), [Source(age_s)])


def test_a_balancer_is_not_ready_before_a_source_has_been_heard() -> None:
    assert roster_of(math.inf).not_synced() == "kubernetes discovery has found nothing yet"


@pytest.mark.parametrize("age_s", [0, 121, 1_000_000])
def test_after_that_a_source_that_is_silent_makes_no_balancer_unready(age_s: float) -> None:
    """Else an API server that is away for two minutes takes the whole grid down (security review, M13)."""
    roster = roster_of(age_s)

    assert roster.not_synced() is None
    assert roster.sync_ages_s() == {"kubernetes": age_s}
