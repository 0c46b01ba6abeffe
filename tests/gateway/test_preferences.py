"""The header `Prefer`, by the grammar of RFC 7240."""

from __future__ import annotations

import pytest

from smartgrid.gateway.preferences import wants_async


@pytest.mark.parametrize(
    "prefer",
    [
        "respond-async",
        "Respond-Async",
        "respond-async, wait=10",
        "wait=10,respond-async",
        "return=minimal , respond-async; strict=yes",
        'priority="5, high", respond-async',
        'respond-async=""',
    ],
)
def test_who_would_rather_be_told_later(prefer: str) -> None:
    assert wants_async(prefer)


@pytest.mark.parametrize(
    "prefer",
    [
        None,
        "",
        ",,;=",
        "wait=10",
        "return=minimal",
        "respond-asynchronously",
        'note="respond-async"',
        "a; respond-async",
    ],
)
def test_other_preferences_are_ignored(prefer: str | None) -> None:
    assert not wants_async(prefer)
