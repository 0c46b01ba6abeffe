"""An edge's part that talks with substations, and one that says what a test wants of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edge.grid.harness import Running, running
from edge.grid.strange_substation import StrangeSubstation


@pytest.fixture
def substation() -> Iterator[StrangeSubstation]:
    with StrangeSubstation() as found:
        yield found


@pytest.fixture
def edge(substation: StrangeSubstation) -> Iterator[Running]:
    with running({"s0": substation.url}) as found:
        yield found
