"""One running substation for all tests that do not mind what others have left there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.processes import Process


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A substation of 100,000 kW: there is room for whatever these tests leave behind."""
    folder = tmp_path_factory.mktemp("shared")
    with Process("substation", folder, name="s0", capacity_kw=100_000, log_level="debug") as substation:
        yield substation
