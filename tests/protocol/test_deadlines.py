"""How long a sender waits: what is said, and what of it is believed."""

from __future__ import annotations

import math

import pytest

from smartgrid.protocol.deadlines import MAX_LEFT_S, decode, encode, end_s


@pytest.mark.parametrize(
    ("left_s", "text"),
    [(2.5, "2500"), (0.0019, "1"), (0.0009, "0"), (0, "0"), (-3, "0"), (60, "60000"), (1e9, "60000")],
)
def test_what_is_left_is_said_in_whole_milliseconds_and_never_more_than_there_is(left_s: float, text: str) -> None:
    assert encode(left_s) == text


@pytest.mark.parametrize(
    "text", [None, "", "-1", "1.5", "60001", "99999", "123456", "1e3", " 10", "\u0661", "0x10", "x"]
)
def test_what_cannot_be_is_not_believed(text: str | None) -> None:
    assert decode(text) is None
    assert end_s(text, 100.0) == math.inf


def test_the_time_counts_from_when_the_request_had_come() -> None:
    assert end_s("2500", 100.0) == 102.5
    assert end_s("0", 100.0) == 100.0
    assert end_s(encode(MAX_LEFT_S), 100.0) == 100.0 + MAX_LEFT_S
