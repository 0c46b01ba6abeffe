"""What the gateway shows of the substations."""

from __future__ import annotations

import pytest

from support.grid import Grid, charge

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes


def test_the_substations_are_shown_with_their_loads_but_not_where_they_are(grid: Grid) -> None:
    placed = charge(grid.gateway, "EV-shown").json()

    shown = {row["name"]: row for row in grid.gateway.call("GET", "/substations").json()["substations"]}

    assert set(shown) == {"substation-0", "substation-1", "substation-2"}
    row = shown[placed["substation"]]
    assert (row["load_kw"], row["load_percentage"], row["active_sessions"]) == (11, 25, 1)
    assert (row["capacity_kw"], row["state"], row["in_rotation"]) == (44, "Available", True)
    assert "127.0.0.1" not in str(shown)
    assert not any("url" in row for row in shown.values())
