"""Locust's own command finds the users of the load test in the repository, and runs them without a page."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.stub_gateway import Stub, running_stub
from smartgrid.workload.ramp import request_of

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def stub() -> Iterator[Stub]:
    with running_stub(Stub()) as running:
        yield running


def locust(stub: Stub, *arguments: str) -> list[dict[str, object]]:
    """Runs a few users until the stub has had enough, and returns Locust's statistics."""
    command = [sys.executable, "-m", "locust", "--headless", "--users", "4", "--spawn-rate", "4", "--run-time", "8s"]
    done = subprocess.run(
        [*command, "--host", stub.url, "--json", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr  # 1: some requests failed
    rows: list[dict[str, object]] = json.loads(done.stdout)
    return rows


def test_its_users_send_the_cars_of_the_seed_in_their_order(stub: Stub) -> None:
    rows = locust(stub, "--seed", "3")
    assert {(row["method"], row["name"]) for row in rows} == {("POST", "/charge")}
    sent = [body["vehicle_id"] for body in stub.bodies]
    assert sorted(sent) == sorted(request_of(3, index).vehicle_id for index in range(len(sent)))
    assert len(sent) >= 4


def test_the_wait_of_a_car_is_a_row_of_its_own(stub: Stub) -> None:
    stub.fault = "wait"
    rows = {str(row["name"]): row for row in locust(stub, "--wait", "60")}
    assert set(rows) == {"/charge", "/sessions/[id]", "until it charges"}
    assert rows["until it charges"]["max_response_time"] == 2500
    assert all(body["wait"] for body in stub.bodies)


def test_a_refusal_is_a_failure_with_its_reason(stub: Stub) -> None:
    stub.fault = "full"
    (row,) = locust(stub)
    assert row["num_failures"] == row["num_requests"] > 0
