"""Lines that others provoke."""

from __future__ import annotations

import logging

import pytest

from smartgrid.runtime.log_pace import INTERVAL_S, LogPace


def test_of_each_kind_one_in_a_while_with_how_many_were_not_said(caplog: pytest.LogCaptureFixture) -> None:
    now_s = [0.0]
    pace = LogPace(logging.getLogger("test"), lambda: now_s[0])
    for _ in range(3):
        pace.say("a", "of a", {"charger": "CP-1"})
    pace.say("b", "of b", {})
    now_s[0] = INTERVAL_S
    pace.say("a", "of a", {})

    assert [(record.message, record.unsaid) for record in caplog.records] == [  # type: ignore[attr-defined]
        ("of a", "0"),
        ("of b", "0"),
        ("of a", "2"),
    ]


def test_with_the_trace_of_the_exception_at_hand(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise RuntimeError("that is why")
    except RuntimeError:
        LogPace(logging.getLogger("test")).say("a", "it failed", {}, level=logging.ERROR, trace=True)
    assert "that is why" in caplog.text
