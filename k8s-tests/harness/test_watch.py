"""The watcher on the cluster finds what it is there for, and says so where it has seen nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import requests

from cluster.shell import wait_until
from harness.watch import CATCH_UP_S, Observations, watching

WELL = {"load_kw": 100.0, "committed_kw": 40.0, "capacity_kw": 100.0}
OVERFILLED = {"load_kw": 100.5, "committed_kw": 40.0, "capacity_kw": 100.0}


class StubGrid:
    """One substation and one balancer; `answer` is a status, or what asking for it raises."""

    def __init__(self, answer: dict[str, float] | Exception) -> None:
        self.answer, self.asked = answer, 0
        self.api = SimpleNamespace(close=lambda: None)

    def twin(self) -> Any:
        return self

    def pods(self, service: str) -> list[Any]:
        return [SimpleNamespace(name=f"{service}-0", ready=True)]

    def ask(self, pod: str, path: str) -> dict[str, float]:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def serving(self) -> set[str]:
        return {"substation-0"}

    def fleet(self, balancer: str) -> set[str]:
        return {"substation-0"}


def observe(grid: StubGrid | Any, times: int = 2) -> Observations:
    """Until it was asked so many times."""
    with watching(grid) as seen:
        wait_until("the watcher's questions", lambda: grid.asked >= times, interval_s=0.01)
    return seen


def http_error(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(response=response)


def test_a_substation_within_its_capacity_passes() -> None:
    seen = observe(StubGrid(WELL))

    seen.assert_never_overfilled("substation-0")
    seen.assert_fleets_followed()


def test_a_substation_above_its_capacity_is_found() -> None:
    with pytest.raises(AssertionError):
        observe(StubGrid(OVERFILLED)).assert_never_overfilled("substation-0")


@pytest.mark.parametrize("error", [requests.ConnectionError(), requests.Timeout(), http_error(503)])
def test_a_grid_that_never_answers_is_not_called_safe(error: Exception) -> None:
    seen = observe(StubGrid(error))

    assert seen.unanswered >= 2
    with pytest.raises(AssertionError, match="no reading"):
        seen.assert_never_overfilled("substation-0")


def test_one_substation_that_was_never_read_is_not_called_safe() -> None:
    with pytest.raises(AssertionError, match="no reading"):
        observe(StubGrid(WELL)).assert_never_overfilled("substation-0", "substation-1")


@pytest.mark.parametrize("error", [http_error(403), requests.exceptions.InvalidURL(), KeyError("load_kw")])
def test_a_mistake_in_the_watcher_fails_the_test(error: Exception) -> None:
    with pytest.raises(type(error)):
        observe(StubGrid(error), times=1)


def test_fleets_that_no_one_read_are_not_called_right() -> None:
    with pytest.raises(AssertionError, match="no reading"):
        Observations().assert_fleets_followed()


def test_a_fleet_that_was_wrong_for_too_long_is_found() -> None:
    seen = Observations(wrong_s={"balancer-0": CATCH_UP_S + 0.1})
    seen.fleet_looks["balancer-0"] += 1

    with pytest.raises(AssertionError):
        seen.assert_fleets_followed()
