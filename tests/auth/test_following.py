"""Whose session may be followed by server-sent events, and polled."""

from __future__ import annotations

import pytest

from gateway.following import follow
from support.grid import Grid, charge
from support.identity import OPERATOR, Identities

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes


def test_a_session_is_followed_by_its_owner_and_by_who_may_read_the_grid(
    guarded_grid: Grid, identities: Identities
) -> None:
    gateway, anna = guarded_grid.gateway, identities.bearer("anna")
    session_id = charge(gateway, "EV-anna", who=anna).json()["session_id"]
    for who in (anna, identities.bearer("dispatcher", OPERATOR)):
        with follow(gateway, session_id, who) as events:
            assert events.next().session["session_id"] == session_id
    for path in (f"/sessions/{session_id}/events", f"/sessions/{session_id}?wait_s=1"):
        assert gateway.call("GET", path, headers=identities.bearer("ben")).status == 404
        assert gateway.call("GET", path).status == 401
    gateway.call("DELETE", f"/sessions/{session_id}", headers=anna)
