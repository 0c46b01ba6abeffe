"""Whose tokens are believed, as it is written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from smartgrid.auth import issuers
from smartgrid.auth.scopes import CHARGE_WRITE, GRID_OPERATE, GRID_READ, GRID_SERVICE
from smartgrid.runtime.start_error import StartError
from support.tokens import SigningKey, claims, issuer

ENTRY = {"issuer": "https://login.example.com", "audience": "smartgrid", "jwks": "https://login.example.com/keys"}


@pytest.mark.parametrize(
    ("changes", "token", "given"),
    [
        ({}, {"scope": "charge:write unknown"}, {CHARGE_WRITE}),
        ({}, {"scope": ["charge:write", "grid:read"]}, {CHARGE_WRITE, GRID_READ}),
        ({}, {"scope": 7}, set()),
        ({}, {"scope": [["charge:write"]]}, set()),
        ({"claims": {"scope": "scp"}}, {"scp": "grid:operate"}, {GRID_OPERATE}),
        ({"claims": {"scope": "realm.roles"}}, {"realm": {"roles": ["grid:read"]}}, {GRID_READ}),
        ({"claims": {"scope": "https://x.example/roles"}}, {"https://x.example/roles": "grid:read"}, {GRID_READ}),
        ({"claims": {"scope": "groups"}, "grants": {"ops": ["grid:operate"]}}, {"groups": ["ops"]}, {GRID_OPERATE}),
        ({"grants": {"ops": ["grid:operate"]}}, {"scope": "grid:read"}, set()),
        ({"everyone": ["charge:write"]}, {"scope": ""}, {CHARGE_WRITE}),
    ],
)
def test_scopes_come_from_the_claim_or_from_what_its_values_are_granted(
    changes: dict[str, Any], token: dict[str, Any], given: set[str]
) -> None:
    assert issuer(**changes).scopes(claims(**token)) == given


def test_no_claim_makes_a_user_a_service_unless_it_was_granted_by_name() -> None:
    assert issuer().scopes(claims(scope="grid:service")) == set()
    granted = issuer(claims={"scope": "sub"}, grants={"system:serviceaccount:grid:gateway": [GRID_SERVICE]})
    assert granted.scopes(claims(sub="system:serviceaccount:grid:gateway")) == {GRID_SERVICE}
    assert granted.scopes(claims(sub="system:serviceaccount:grid:other")) == set()


def test_who_it_is_may_be_in_another_claim() -> None:
    assert issuer(claims={"subject": "oid"}).subject(claims(oid="42")) == "42"
    assert issuer(claims={"subject": "oid"}).subject(claims(oid=42)) is None


def test_the_list_is_in_the_setting_or_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "issuers.json"
    path.write_text(json.dumps([ENTRY]))
    assert issuers.load(str(path)) == issuers.load(json.dumps([ENTRY])) != []


def test_the_issuer_may_be_that_of_a_token_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(SigningKey().sign(claims(iss="https://kubernetes.default.svc")) + "\n")
    entry = {"issuer_from": str(path), "audience": "smartgrid", "jwks": "/keys.json"}
    assert issuers.load(json.dumps([entry]))[0].issuer == "https://kubernetes.default.svc"


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("[]x", "SMARTGRID_AUTH_ISSUERS"),
        ("/no/such/file", "/no/such/file"),
        (json.dumps([{**ENTRY, "issuer": ""}]), "either issuer or issuer_from"),
        (json.dumps([{**ENTRY, "jwks": "ftp://keys"}]), "http or https URL"),
        (json.dumps([{**ENTRY, "algorithms": ["HS256"]}]), "algorithms"),
        (json.dumps([{**ENTRY, "algorithms": ["none"]}]), "algorithms"),
        (json.dumps([{**ENTRY, "everyone": ["grid:all"]}]), "must be one of charge:read"),
        (json.dumps([{**ENTRY, "everyone": ["grid:service"]}]), "grid:service is given by grants only"),
        (json.dumps([{**ENTRY, "typo": 1}]), "typo"),
        (json.dumps([{key: value for key, value in ENTRY.items() if key != "audience"}]), "audience"),
        (json.dumps([ENTRY] * 21), "at most 20"),
        (json.dumps([{"issuer_from": "/no/token", "audience": "a", "jwks": "/k"}]), "/no/token"),
    ],
)
def test_what_is_wrong_with_the_list_is_said_in_a_sentence(setting: str, part: str) -> None:
    with pytest.raises(StartError, match="SMARTGRID_AUTH_ISSUERS") as refusal:
        issuers.load(setting)
    assert part in str(refusal.value)
    assert "\n" not in str(refusal.value)
