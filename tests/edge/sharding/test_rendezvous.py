"""Who owns a substation is agreed without talking, and an edge that joins or leaves moves only what it must."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.edge.sharding.rendezvous import owner

NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
SUBSTATIONS = [f"substation-{number}" for number in range(2000)]


@given(NAMES, st.lists(NAMES, min_size=1, max_size=10, unique=True), st.randoms(use_true_random=False))
def test_all_who_know_the_same_edges_agree(substation: str, edges: list[str], random: Random) -> None:
    shuffled = list(edges)
    random.shuffle(shuffled)

    assert owner(substation, shuffled) == owner(substation, edges)


@given(st.lists(NAMES, min_size=2, max_size=10, unique=True))
def test_an_edge_that_joins_takes_and_moves_nothing_else(edges: list[str]) -> None:
    *before, new = edges

    for substation in SUBSTATIONS[:200]:
        was, now = owner(substation, before), owner(substation, edges)
        assert now in (was, new)


@pytest.mark.parametrize("edges", [1, 2, 3, 7, 20])
def test_an_edge_that_joins_takes_its_share(edges: int) -> None:
    names = [f"edge-{number}" for number in range(edges + 1)]

    moved = sum(owner(each, names) == names[-1] for each in SUBSTATIONS)

    assert moved / len(SUBSTATIONS) == pytest.approx(1 / (edges + 1), rel=0.3)


def test_substations_are_shared_evenly() -> None:
    counts = Counter(owner(each, [f"edge-{number}" for number in range(5)]) for each in SUBSTATIONS)

    assert min(counts.values()) > 0.8 * len(SUBSTATIONS) / 5
    assert max(counts.values()) < 1.2 * len(SUBSTATIONS) / 5


def test_owners_stay_over_versions() -> None:
    """Edges of two versions run side by side during an update, and must agree."""
    edges = ["edge-0", "edge-1", "edge-2"]

    assert [owner(each, edges)[-1] for each in SUBSTATIONS[:12]] == list("212000121212")
