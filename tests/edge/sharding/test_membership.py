"""Which edges there are, and which there may be."""

from __future__ import annotations

import pytest

from smartgrid.edge.sharding.membership import AWAY_S, Membership
from smartgrid.edge.sharding.peers import MAX_PEERS, Candidates, Peer

TEMPLATE = "ws://edge-{n}.peers:9000|http://edge-{n}.peers:8083"


def test_a_peer_that_a_setting_names_has_a_while_to_come() -> None:
    membership = Membership("edge-0", ["edge-0", "edge-1"], 100.0)

    assert membership.members(100.0 + AWAY_S) == {"edge-0", "edge-1"}
    assert membership.members(101.0 + AWAY_S) == {"edge-0"}


def test_a_peer_that_is_restarted_stays_a_member() -> None:
    membership = Membership("edge-0", [], 100.0)
    membership.saw("edge-1", 500.0)

    assert membership.members(500.0 + AWAY_S) == {"edge-0", "edge-1"}


def test_a_peer_that_is_away_for_long_is_none_until_it_is_back() -> None:
    membership = Membership("edge-0", [], 100.0)
    membership.saw("edge-1", 500.0)
    assert membership.members(501.0 + AWAY_S) == {"edge-0"}

    membership.saw("edge-1", 900.0)

    assert membership.members(900.0) == {"edge-0", "edge-1"}


def test_an_edge_is_always_a_member_itself() -> None:
    assert Membership("edge-0", [], 0.0).members(1e9) == {"edge-0"}


def test_edges_of_a_setting_are_looked_for_but_not_this_one() -> None:
    fixed = {"edge-0": ("ws://a:9000", "http://a:8083"), "edge-1": ("wss://b", "https://b:8083")}

    candidates = Candidates("edge-0", fixed, "")

    assert candidates.beside({"edge-0"}) == [Peer("edge-1", "b", 443, True, "https://b:8083")]


def test_edges_of_a_stateful_set_are_looked_for_beyond_the_highest_that_is_known() -> None:
    candidates = Candidates("grid-edge-1", {}, TEMPLATE)

    assert [each.name for each in candidates.beside({"grid-edge-1"})] == ["grid-edge-0", "grid-edge-2", "grid-edge-3"]
    assert candidates.beside({"grid-edge-4"})[-1] == Peer(
        "grid-edge-6", "edge-6.peers", 9000, False, "http://edge-6.peers:8083"
    )


def test_no_more_than_so_many_are_looked_for() -> None:
    candidates = Candidates("e-0", {}, TEMPLATE)

    assert len(candidates.beside({f"e-{MAX_PEERS - 1}"})) == MAX_PEERS - 1


def test_an_edge_of_a_stateful_set_has_a_number() -> None:
    with pytest.raises(ValueError, match="edge-0"):
        Candidates("edge", {}, TEMPLATE)
