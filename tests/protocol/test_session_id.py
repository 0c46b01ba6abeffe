"""Ids and paths of sessions over three levels: a substation, its balancer, and a balancer of regions."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from smartgrid.protocol import session_id as ids

NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
TOKENS = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=30)


@given(NAMES, NAMES, TOKENS)
def test_an_id_says_the_way_back_down(region: str, substation: str, token: str) -> None:
    at_the_top = ids.prefixed(region, ids.prefixed(substation, token))

    assert ids.split(at_the_top) == (region, f"{substation}.{token}")
    assert ids.split(ids.split(at_the_top)[1]) == (substation, token)
    assert ids.is_session_id(at_the_top)


@given(NAMES, NAMES, NAMES, NAMES, TOKENS)
def test_a_session_of_another_region_is_found_from_every_level(
    region: str, substation: str, other_region: str, other_substation: str, token: str
) -> None:
    """The balancer of regions supersedes a session in `region` by one in `other_region`."""
    winner = ids.prefixed(other_region, ids.prefixed(other_substation, token))

    in_the_region = ids.path_down(winner)
    at_the_substation = ids.path_down(in_the_region)
    assert at_the_substation == f"../../{winner}"

    told_by_the_region = ids.path_up(substation, at_the_substation)
    assert told_by_the_region == in_the_region
    assert ids.is_above(told_by_the_region), "the region cannot find it among its own"
    assert ids.path_up(region, told_by_the_region) == winner


@given(NAMES, NAMES, NAMES, TOKENS)
def test_a_session_of_the_same_region_gets_the_regions_name_on_its_way_up(
    region: str, substation: str, other: str, token: str
) -> None:
    """A region's balancer supersedes a session by one at another of its substations."""
    at_the_substation = ids.path_down(ids.prefixed(other, token))

    in_the_region = ids.path_up(substation, at_the_substation)
    assert in_the_region == ids.prefixed(other, token)
    assert not ids.is_above(in_the_region)
    assert ids.path_up(region, in_the_region) == ids.prefixed(region, ids.prefixed(other, token))


@given(NAMES, NAMES, TOKENS)
def test_what_goes_down_and_comes_up_again_is_the_same(region: str, substation: str, token: str) -> None:
    session_id = ids.prefixed(region, ids.prefixed(substation, token))

    path = ids.path_down(ids.path_down(session_id))

    assert ids.is_path(path)
    assert ids.path_up(region, ids.path_up(substation, path)) == session_id


def test_a_place_names_the_region_and_its_substation() -> None:
    assert ids.place("substation-1", "token", "substation-1") == "substation-1"
    assert ids.place("west", "substation-1.token", "substation-1") == "west.substation-1"


def test_what_no_service_would_say_is_neither_id_nor_path() -> None:
    for wrong in ("", "a b", "a\r\nX: y", "x" * 301, "ä", 7, None, "/etc"):
        assert not ids.is_session_id(wrong)
        assert not ids.is_path(wrong)
    assert not ids.is_path("../" * 9 + "a.b")
    assert not ids.is_path("../..")
