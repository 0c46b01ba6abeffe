"""Every kind that is counted is one of those that are there from the start."""

from __future__ import annotations

import re
from pathlib import Path

from smartgrid.edge import ocpp
from smartgrid.edge.ocpp.counters import CLOSED, ERRORS, REFUSED, Counters, Histogram

SOURCE = "".join(file.read_text() for file in sorted(Path(next(iter(ocpp.__path__))).glob("*.py")))


def found(*patterns: str) -> set[str]:
    return {kind for pattern in patterns for kind in re.findall(pattern, SOURCE)}


def test_every_kind_of_error_has_a_count_from_the_start() -> None:
    assert found(r'errors\["(\w+)"\]', r'_noticed\("(\w+)"') == {*ERRORS}


def test_every_reason_to_refuse_has_a_count_from_the_start() -> None:
    named = found(
        r'refused\("(\w+)"\)',
        r'Refusal\(\d+, "(\w+)"',
        r'\b[45]\d\d: "(\w+)"',
        r'"tls" if tls else "(\w+)"',
        r'expire\("(\w+)"\)',
    )
    assert named | {"tls", "wrong_key"} == {*REFUSED}


def test_every_reason_to_close_has_a_count_from_the_start() -> None:
    assert found(r'closed\["(\w+)"\]', r'_send_away\("(\w+)"', r'_cut_off\("(\w+)"') == {*CLOSED}


def test_all_are_there_from_the_start() -> None:
    counters = Counters()
    assert {*counters.errors} == {*ERRORS}
    assert {*counters.refused.values(), *counters.errors.values(), *counters.closed.values()} == {0}


def test_a_histogram_counts_by_upper_bound() -> None:
    histogram = Histogram((1.0, 2.0), [0, 0, 0])
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.add(value)
    assert histogram.counts == [2, 1, 1]
    assert histogram.total == 12.0
