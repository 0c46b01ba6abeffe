"""How often something is done that could be done again at once."""

from __future__ import annotations

import pytest

from smartgrid.runtime.pace import Pace


def test_the_first_changes_after_a_quiet_time_are_told_at_once_and_the_rest_at_a_pace() -> None:
    pace = Pace(interval_s=0.1, at_once=3)

    pauses_s = [pace.pause_s(now_s=10.0) for _ in range(5)]

    assert pauses_s == pytest.approx([0, 0, 0, 0.1, 0.2])
    assert pace.pause_s(now_s=60.0) == 0
