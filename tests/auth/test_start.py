"""A service that others reach does not start before somebody has said whom it is to let in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.processes import Process
from support.tokens import ISSUER


@pytest.mark.parametrize("service", ["gateway", "balancer", "substation", "edge"])
def test_at_an_address_of_others_it_wants_to_know_whose_tokens_to_believe(service: str, tmp_path: Path) -> None:
    process = Process(service, tmp_path, host="0.0.0.0").launch()
    assert process.exit_code() == 2
    assert "SMARTGRID_AUTH_ISSUERS" in process.log()
    assert "SMARTGRID_AUTH=off" in process.log()
    assert len(process.log().strip().splitlines()) == 1


def test_or_that_it_is_to_be_open_to_all(tmp_path: Path) -> None:
    with Process("substation", tmp_path, host="0.0.0.0", auth="off") as substation:
        assert substation.call("GET", "/status").status == 200


def test_on_loopback_nothing_is_asked(tmp_path: Path) -> None:
    with Process("substation", tmp_path) as substation:
        assert substation.call("GET", "/charge").status == 200


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"auth_issuers": "[{}]"}, "audience"),
        ({"auth_issuers": "/no/such/file"}, "/no/such/file"),
        ({"auth": "maybe"}, "SMARTGRID_AUTH='maybe'"),
        (
            {"auth_issuers": json.dumps([{"issuer": ISSUER, "audience": "a", "jwks": "/k"}]), "auth_anonymous": "all"},
            "SMARTGRID_AUTH_ANONYMOUS: 'all' is no scope",
        ),
        (
            {
                "auth_issuers": json.dumps([{"issuer": ISSUER, "audience": "a", "jwks": "/k"}]),
                "auth_anonymous": "grid:service",
            },
            "SMARTGRID_AUTH_ANONYMOUS: grid:service",
        ),
    ],
)
def test_a_setting_that_is_wrong_is_said_in_a_sentence(settings: dict[str, object], part: str, tmp_path: Path) -> None:
    process = Process("substation", tmp_path, **settings).launch()
    assert process.exit_code() == 2
    assert part in process.log()
    assert len(process.log().strip().splitlines()) == 1


def test_who_comes_without_a_token_may_what_the_setting_says(tmp_path: Path) -> None:
    issuers = json.dumps([{"issuer": ISSUER, "audience": "a", "jwks": str(tmp_path / "none.json")}])
    with Process("substation", tmp_path, auth_issuers=issuers, auth_anonymous="grid:read") as substation:
        assert substation.call("GET", "/status").status == 200
        assert substation.call("PUT", "/capacity", json={"capacity_kw": 1}).status == 403
        asked = substation.call("GET", "/status", headers={"Authorization": "Bearer x"})
        assert asked.status == 401
