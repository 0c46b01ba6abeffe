"""A grid that knows drivers and operators by an identity provider's tokens, which is in the cluster as well."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster import dex
from cluster.backend import Backend
from cluster.shell import wait_until
from harness.api import KubeApi
from harness.grid import Grid
from harness.helm import Helm
from harness.identity import IdentityProvider, identity_provider
from harness.namespace import restricted_namespace
from harness.steps import pause

DRIVER, OTHER_DRIVER, OPERATOR = dex.USERS
CAR = {"vehicle_id": "of-a-driver", "energy_kwh": 50, "max_power_kw": 11}
OK, CREATED, UNAUTHENTICATED, FORBIDDEN, NOT_FOUND = 200, 201, 401, 403, 404
AWAY_S = 30


@pytest.fixture(scope="module")
def provider(cluster: Backend, api: KubeApi) -> Iterator[IdentityProvider]:
    with identity_provider(cluster, api) as running:
        yield running


@pytest.fixture(scope="module")
def grid_with_issuer(
    cluster: Backend, api: KubeApi, common_values: dict[str, object], provider: IdentityProvider
) -> Iterator[Grid]:
    assert provider.keys(), "services read them when they start"
    with restricted_namespace(api, "smart-grid-test-tokens") as namespace:
        helm = Helm(cluster, namespace, "grid")
        helm.install({**common_values, "substation.replicaCount": 2, "global.auth.issuers": [dex.issuer_setting()]})
        yield Grid(api, cluster, namespace, "grid", helm)


@pytest.fixture
def session(grid_with_issuer: Grid, provider: IdentityProvider) -> Iterator[str]:
    """A session of the driver's; stopped afterwards, if it is not by then."""
    begun = grid_with_issuer.ask_gateway("POST", "/charge", provider.token(DRIVER), json=CAR)
    assert begun.status_code == CREATED, begun.text
    yield str(begun.json()["session_id"])
    grid_with_issuer.stop_all()


def test_who_shows_no_token_is_turned_away(grid_with_issuer: Grid) -> None:
    answer = grid_with_issuer.ask_gateway("POST", "/charge", json=CAR)
    assert (answer.status_code, answer.json()["code"]) == (UNAUTHENTICATED, "unauthenticated")


def test_a_driver_who_has_logged_in_sees_and_stops_his_session(
    grid_with_issuer: Grid, provider: IdentityProvider, session: str
) -> None:
    token = provider.log_in(DRIVER)
    assert grid_with_issuer.ask_gateway("GET", f"/sessions/{session}", token).json()["state"] == "Charging"
    listed = grid_with_issuer.ask_gateway("GET", "/sessions", token).json()["sessions"]
    assert session in [each["session_id"] for each in listed]
    assert grid_with_issuer.ask_gateway("DELETE", f"/sessions/{session}", token).status_code == OK


def test_another_driver_neither_sees_nor_stops_it(
    grid_with_issuer: Grid, provider: IdentityProvider, session: str
) -> None:
    token = provider.token(OTHER_DRIVER)
    for method in ("GET", "DELETE"):
        assert grid_with_issuer.ask_gateway(method, f"/sessions/{session}", token).status_code == NOT_FOUND
    listed = grid_with_issuer.ask_gateway("GET", "/sessions", token).json()["sessions"]
    assert session not in [each["session_id"] for each in listed]


def test_an_operator_sees_the_grid_and_a_driver_is_told_what_he_lacks(
    grid_with_issuer: Grid, provider: IdentityProvider
) -> None:
    assert grid_with_issuer.ask_gateway("GET", "/status", provider.token(OPERATOR)).status_code == OK
    refused = grid_with_issuer.ask_gateway("GET", "/status", provider.token(DRIVER))
    assert refused.status_code == FORBIDDEN
    assert "grid:read" in refused.text


def test_the_charts_own_test_finds_the_gateway_well_without_a_token(grid_with_issuer: Grid) -> None:
    assert "Phase:          Succeeded" in grid_with_issuer.helm.test()


def test_when_keys_are_rotated_old_tokens_hold_and_new_ones_do_soon(
    grid_with_issuer: Grid, provider: IdentityProvider
) -> None:
    """A gateway reads the keys when it first sees one that it does not know; no request waits for that."""
    old = provider.token(DRIVER)
    provider.rotate_keys()
    new = provider.token(DRIVER)

    def holds() -> bool:
        return bool(grid_with_issuer.ask_gateway("GET", "/sessions", new).status_code == OK)

    wait_until("the new key to be known", holds, timeout_s=60)
    assert grid_with_issuer.ask_gateway("GET", "/sessions", old).status_code == OK


def test_while_the_provider_is_away_who_has_a_token_charges(grid_with_issuer: Grid, provider: IdentityProvider) -> None:
    token = provider.token(DRIVER)
    with provider.away():
        pause("the provider is away", AWAY_S)
        begun = grid_with_issuer.ask_gateway("POST", "/charge", token, json=CAR)
        assert begun.status_code == CREATED, begun.text
    grid_with_issuer.stop_all()
