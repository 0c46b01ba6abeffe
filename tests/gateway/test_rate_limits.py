"""A gateway tells whoever asks too often, and serves everyone else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from smartgrid.auth.scopes import GRID_OPERATE, GRID_READ
from support.grid import metric
from support.http import Reply, answers
from support.identity import Identities
from support.processes import Process, run_to_end, wait_until

RATE = "1/h burst 3"  # so that the speed of the machine does not matter


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    return Identities(tmp_path_factory.mktemp("identities"))


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory, identities: Identities) -> Iterator[tuple[Process, Process]]:
    """One that asks for tokens and one that does not; no balancer answers either, which does not matter here."""
    folder = tmp_path_factory.mktemp("limits")
    asking = Process(
        "gateway", folder / "asking", balancer_url="http://127.0.0.1:1", rate_limit=RATE, **identities.calling
    )
    open_one = Process(
        "gateway", folder / "open", balancer_url="http://127.0.0.1:1", rate_limit=RATE, trusted_proxies="127.0.0.0/8"
    )
    try:
        for each in (asking, open_one):
            each.launch()
        for each in (asking, open_one):
            wait_until(lambda url=f"{each.url}/health": answers(url), 60, "the gateway lives")
        yield asking, open_one
    finally:
        asking.end()
        open_one.end()


@pytest.fixture
def asking(gateways: tuple[Process, Process]) -> Process:
    return gateways[0]


@pytest.fixture
def open_gateway(gateways: tuple[Process, Process]) -> Process:
    return gateways[1]


def statuses(gateway: Process, times: int, method: str, path: str, headers: dict[str, str]) -> list[int]:
    return [gateway.call(method, path, headers=headers).status for _ in range(times)]


def test_a_driver_over_the_rate_is_told_when_to_come_again(asking: Process, identities: Identities) -> None:
    driver = identities.bearer("often")
    for _ in range(3):
        assert asking.call("GET", "/sessions", headers=driver).status != 429

    refused = asking.call("GET", "/sessions", headers=driver)

    assert refused.status == 429
    assert refused.json()["code"] == "rate-limited"
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert refused.headers["RateLimit-Policy"] == '"reads";q=3;w=10800'
    assert refused.headers["RateLimit"].startswith('"reads";r=0;t=')


def test_every_counted_answer_says_what_is_left(asking: Process, identities: Identities) -> None:
    driver = identities.bearer("counted")

    def left(reply: Reply) -> str:
        return reply.headers["RateLimit"].split(";")[1]

    assert [left(asking.call("GET", "/sessions", headers=driver)) for _ in range(3)] == ["r=2", "r=1", "r=0"]


def test_another_token_of_the_same_driver_does_not_help(asking: Process, identities: Identities) -> None:
    found = [asking.call("GET", "/sessions", headers=identities.bearer("same")).status for _ in range(4)]

    assert found[-1] == 429


def test_one_drivers_rate_is_no_other_drivers(asking: Process, identities: Identities) -> None:
    assert statuses(asking, 4, "GET", "/sessions", identities.bearer("first"))[-1] == 429

    assert asking.call("GET", "/sessions", headers=identities.bearer("second")).status != 429


def test_stops_are_counted_apart_from_starts(asking: Process, identities: Identities) -> None:
    driver = identities.bearer("stopper")
    assert statuses(asking, 4, "POST", "/charge", driver)[-1] == 429

    assert asking.call("DELETE", "/sessions/substation-0.x", headers=driver).status != 429


def test_changes_of_chargers_are_counted_with_the_starts(asking: Process, identities: Identities) -> None:
    operator = identities.bearer("operator-of-chargers", [GRID_OPERATE])
    path = "/chargers/substation-0/CP1"
    assert statuses(asking, 2, "PUT", path, operator) == [415] * 2
    assert statuses(asking, 2, "POST", f"{path}/commands", operator) == [415, 429]
    assert asking.call("DELETE", path, headers=operator).status == 404


def test_what_one_may_not_do_is_counted_as_well(asking: Process, identities: Identities) -> None:
    reader = identities.bearer("reader", [GRID_READ])

    assert statuses(asking, 5, "POST", "/charge", reader) == [403, 403, 403, 429, 429]


def test_services_are_not_limited(asking: Process, identities: Identities) -> None:
    service = identities.bearer("edge", ["grid:service"])

    assert 429 not in statuses(asking, 5, "GET", "/sessions", service)


def test_what_is_open_to_all_is_not_limited(asking: Process, open_gateway: Process) -> None:
    assert statuses(asking, 5, "GET", "/health", {}) == [200] * 5
    assert statuses(open_gateway, 5, "GET", "/health", {}) == [200] * 5


def test_without_tokens_addresses_are_told_apart_behind_a_proxy_that_is_trusted(open_gateway: Process) -> None:
    def via_proxy(forwarded: str) -> list[int]:
        return statuses(open_gateway, 4, "GET", "/sessions", {"X-Forwarded-For": forwarded})

    assert via_proxy("198.51.100.1")[-1] == 429
    assert via_proxy("198.51.100.2, 198.51.100.1")[0] == 429
    assert via_proxy("198.51.100.2")[0] != 429


def test_what_was_limited_is_counted(asking: Process, identities: Identities) -> None:
    before = metric(asking, "gateway_rate_limited_total", kind="reads")
    assert statuses(asking, 5, "GET", "/status", identities.bearer("counting", [GRID_READ]))[-2:] == [429, 429]

    assert metric(asking, "gateway_rate_limited_total", kind="reads") == before + 2
    assert metric(asking, "failed_requests_total", code="rate-limited") >= 2


def test_a_rate_that_is_none_is_refused_at_the_start(tmp_path) -> None:
    code, said = run_to_end("gateway", rate_limit="often", data_dir=tmp_path)

    assert code == 2
    assert "SMARTGRID_RATE_LIMIT='often'" in said
    assert "20/s burst 40" in said
