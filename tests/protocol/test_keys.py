"""The digest of a key: of one owner's key alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smartgrid.protocol.keys import digest

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
