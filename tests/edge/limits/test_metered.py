"""What the meter adds to what was written, by example."""

from __future__ import annotations

from smartgrid.edge.limits.metered import FOLLOWED_S, RECENT_S, Metered


def test_of_two_falls_shortly_after_each_other_the_first_lingers() -> None:
    metered = Metered()
    metered.fell(11.0, 0)
    metered.fell(7.0, 10)
    assert metered.held_kw(4.0, 20) == 11.0
    assert metered.held_kw(4.0, 10 + FOLLOWED_S) == 4.0


def test_what_was_drawn_beyond_a_limit_lingers_when_it_falls() -> None:
    metered = Metered()
    metered.measured(13.0, 11.0, 0)
    metered.fell(11.0, 10)
    assert metered.held_kw(4.0, 20) == 13.0


def test_a_reading_is_recent_for_a_minute() -> None:
    metered = Metered()
    assert metered.recent_kw(0) is None
    metered.measured(7.0, 11.0, 0)
    assert (metered.recent_kw(RECENT_S - 1), metered.recent_kw(RECENT_S + 1)) == (7.0, None)
