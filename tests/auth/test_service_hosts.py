"""Under the names of its Ingress a region's balancer serves only services, whatever else a token may do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from smartgrid.auth import scopes
from support.identity import OPERATOR, Identities
from support.processes import Process

OUTSIDE = "west.example.com"


@pytest.fixture(scope="module")
def balancer(tmp_path_factory: pytest.TempPathFactory, identities: Identities) -> Iterator[Process]:
    hosts = {"allowed_hosts": f"{OUTSIDE},127.0.0.1", "service_hosts": f"other.example.com, {OUTSIDE.upper()}"}
    with Process("balancer", Path(tmp_path_factory.mktemp("region")), **identities.calling, **hosts) as started:
        yield started


def status(balancer: Process, who: dict[str, str], host: str) -> int:
    return balancer.call("GET", "/status", headers={**who, "Host": host}).status


@pytest.mark.parametrize("host", [OUTSIDE, f"{OUTSIDE}:443", "West.Example.com", f"{OUTSIDE}."])
def test_an_operator_is_refused_there_and_a_service_is_not(
    balancer: Process, identities: Identities, host: str
) -> None:
    assert status(balancer, identities.bearer("operator", OPERATOR), host) == 403
    assert status(balancer, identities.bearer("front", [scopes.GRID_SERVICE]), host) == 200


def test_an_operator_is_served_under_every_other_name(balancer: Process, identities: Identities) -> None:
    assert status(balancer, identities.bearer("operator", OPERATOR), f"127.0.0.1:{balancer.port}") == 200


def test_nobody_is_let_in_there_without_a_token(balancer: Process) -> None:
    assert status(balancer, {}, OUTSIDE) == 401
