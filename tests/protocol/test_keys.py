"""The digest of a key, which is one owner's key alone, and pages of keys on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from smartgrid.protocol.keys import KeyEntry, KeyPage, OwnUse, digest, from_wire, to_wire

KEYS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=255)
OWNERS = st.none() | st.text("abcXYZ019-_", min_size=22, max_size=22)


def test_a_key_that_is_nobodys_has_the_digest_that_files_and_balancers_know() -> None:
    assert digest("key of elastic") == "HZtrxrsyMbmz7V9X4O7PTQ"


@given(st.tuples(OWNERS, KEYS), st.tuples(OWNERS, KEYS))
def test_two_have_the_same_digest_only_where_owner_and_key_are_the_same(
    one: tuple[str | None, str], other: tuple[str | None, str]
) -> None:
    digests = [digest(key, owner) for owner, key in (one, other)]
    assert (digests[0] == digests[1]) == (one == other)


@given(OWNERS.filter(lambda owner: owner is not None), KEYS)
def test_no_key_of_ones_own_has_the_digest_of_anothers(owner: str, key: str) -> None:
    """However an owner is put into a key: in front, behind, or with what may stand between them."""
    foreign = digest(key, owner)
    tried = [f"{owner}{between}{key}" for between in ("", " ", "/", ":", "\0")] + [f"{key}{owner}", owner]
    assert foreign not in {digest(each, whose) for each in tried for whose in (None, "Z" * 22)}


ENTRIES = st.builds(
    KeyEntry,
    st.text("abcXYZ019-_", min_size=22, max_size=22),
    st.tuples(st.integers(0, 10**15)),
    st.text("abc.-", min_size=1, max_size=40),
    st.booleans(),
    st.none() | st.builds(OwnUse, OWNERS.filter(bool), st.floats(0.001, 1e9)),
)


@given(st.lists(ENTRIES, max_size=5), st.integers(0, 2**53), st.booleans(), st.booleans())
def test_a_page_arrives_as_it_was_sent(entries: list[KeyEntry], position: int, more: bool, reset: bool) -> None:
    page = KeyPage(entries, position, more, reset)
    assert from_wire(from_json(to_json(to_wire(page))), now_s=1e10) == page


@pytest.mark.parametrize(
    "use",
    [
        ["A" * 22],
        ["A" * 22, 11, 11],
        ["A" * 21, 11],
        [7, 11],
        ["A" * 22, 0],
        ["A" * 22, -1],
        ["A" * 22, 1e10],
        ["A" * 22, float("nan")],
        ["A" * 22, True],
        ["A" * 22, "11"],
        [None, None],
    ],
    ids=str,
)
def test_what_cannot_be_taken_of_a_quota_makes_no_page(use: list[object]) -> None:
    entry = [digest("key"), "1", "x", 0, *use]
    with pytest.raises(ValueError):
        from_wire({"entries": [entry], "position": 1, "more": False, "reset": True}, now_s=1e10)
