"""The identity provider that the tests log in at: what it gives, to whom, and how its keys change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from cluster import dex
from cluster.backend import Backend
from harness.api import KubeApi
from harness.identity import IdentityProvider, LoginRefusedError, identity_provider
from harness.reach import CallFailedError

DRIVER, OTHER_DRIVER, OPERATOR = dex.USERS


@pytest.fixture(scope="module")
def provider(cluster: Backend, api: KubeApi) -> Iterator[IdentityProvider]:
    with identity_provider(cluster, api) as running:
        yield running


def claims(token: str, keys: dict[str, Any]) -> dict[str, Any]:
    """What a token says, its signature checked with these keys. Raises jwt.InvalidTokenError."""
    (key,) = (key for key in jwt.PyJWKSet.from_dict(keys).keys if key.key_id == key_id(token))
    return dict(jwt.decode(token, key, algorithms=["RS256"], audience=dex.CLIENT, issuer=dex.ISSUER))


def key_id(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def test_who_logs_in_at_the_page_gets_a_token_that_its_keys_prove(provider: IdentityProvider) -> None:
    said = claims(provider.log_in(DRIVER), provider.keys())
    assert (said["email"], said["groups"]) == (DRIVER, [dex.DRIVERS])


def test_everyone_has_a_subject_of_their_own_and_always_the_same(provider: IdentityProvider) -> None:
    keys = provider.keys()
    first, again, other = (claims(provider.token(who), keys)["sub"] for who in (DRIVER, DRIVER, OTHER_DRIVER))
    assert first == again != other
    assert claims(provider.log_in(DRIVER), keys)["sub"] == first, "however the token was got"


def test_a_wrong_password_gets_none(provider: IdentityProvider) -> None:
    for log_in in (provider.log_in, provider.token):
        with pytest.raises(LoginRefusedError, match=r"401|login page"):
            log_in(DRIVER, "guessed")


def test_a_stolen_code_is_worth_nothing_without_its_verifier(provider: IdentityProvider) -> None:
    with pytest.raises(LoginRefusedError, match="invalid_grant"):
        provider.log_in(DRIVER, wrong_verifier=True)


def test_after_a_rotation_old_tokens_hold_and_new_ones_have_the_new_key(provider: IdentityProvider) -> None:
    old = provider.token(OPERATOR)
    provider.rotate_keys()
    new = provider.token(OPERATOR)
    assert key_id(new) != key_id(old)
    keys = provider.keys()
    assert claims(old, keys)["sub"] == claims(new, keys)["sub"]


def test_while_it_is_away_nobody_logs_in_and_afterwards_its_keys_are_the_same(provider: IdentityProvider) -> None:
    token = provider.token(DRIVER)
    with provider.away(), pytest.raises(CallFailedError):
        provider.token(DRIVER)
    assert claims(token, provider.keys())["email"] == DRIVER
