"""What all tests of the chart share: which cluster they get, and the list of what they measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cluster import backend

measured = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Make room for what tests measure."""
    config.stash[measured] = []


def pytest_report_header() -> str:
    """Say which cluster the tests get, or why none."""
    try:
        choice = backend.choose(backend.look())
    except backend.NoBackendError as error:
        return f"cluster tests: skipped, {error}"
    return f"cluster tests: on {choice.kind}, as {choice.reason}"


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Note a measured number; all of them are printed at the end, whether tests pass or not."""
    name = request.node.name

    def note(text: str) -> None:
        request.config.stash[measured].append(f"{name}: {text}")

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was measured."""
    if lines := config.stash[measured]:
        terminalreporter.section("measured on the cluster")
        for line in lines:
            terminalreporter.write_line(line)
