"""What each service's OpenAPI document promises, held against the service by a fuzzer; `make fuzz-api` does more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz.api import fuzz
from support.grid import Grid

pytestmark = pytest.mark.timeout(400)  # on a busy machine
PHASES = ("examples", "coverage", "fuzzing", "stateful")
EXAMPLES = 15


@pytest.fixture(scope="module")
def fuzzed_grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    with Grid(Path(tmp_path_factory.mktemp("fuzzed")), [100, 100], gateways=1, edge={"registration": "open"}) as grid:
        yield grid


@pytest.mark.parametrize("service", ["gateway", "balancer", "substation", "edge"])
def test_no_answer_is_other_than_described(fuzzed_grid: Grid, service: str) -> None:
    targets = {
        "gateway": fuzzed_grid.gateway,
        "balancer": fuzzed_grid.balancer,
        "substation": fuzzed_grid.substations[0],
        "edge": fuzzed_grid.edge,
    }
    sent, wrong = fuzz(targets[service], EXAMPLES, PHASES)
    assert not wrong, wrong
    assert sent > 100
    assert all(process.running for process in fuzzed_grid.processes)
