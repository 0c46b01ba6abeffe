"""Tokens against an identity provider that really answers over HTTP, changes its keys, is slow, and goes away."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from smartgrid.auth import authenticator as module
from smartgrid.auth import refresh
from smartgrid.auth.authenticator import Authenticator, KeysAwayError
from smartgrid.auth.issuers import Issuer
from smartgrid.auth.tokens import TokenError
from support.identity_provider import IdentityProvider
from support.processes import wait_until
from support.tokens import SigningKey, claims, issuer, key_set

OLD, NEW = SigningKey(kid="old"), SigningKey(kid="new")
PATIENCE_S = 30.0


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are read again after tenths of seconds, where it is minutes otherwise."""
    monkeypatch.setattr(refresh, "LEAST_INTERVAL_S", 0.2)


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with IdentityProvider(OLD) as provider:
        yield provider


def knowing(*trusted: Issuer) -> Authenticator:
    """An authenticator that has tried each of the issuers."""
    found = Authenticator(trusted)
    found.start()
    wait_until(lambda: found.not_ready() is None, PATIENCE_S, "the issuers were asked")
    return found


def is_believed(found: Authenticator, token: str) -> bool:
    try:
        found.principal(token)
    except TokenError:
        return False
    return True


def test_a_new_key_is_believed_as_soon_as_somebody_comes_with_it(provider: IdentityProvider) -> None:
    found = knowing(issuer(jwks=provider.url))
    token = NEW.sign(claims())
    assert not is_believed(found, token)
    provider.keys.append(NEW)
    wait_until(lambda: is_believed(found, token), PATIENCE_S, "the new key is known")


def test_a_withdrawn_key_is_believed_no_longer_also_for_tokens_that_were_known(provider: IdentityProvider) -> None:
    found = knowing(issuer(jwks=provider.url))
    token = OLD.sign(claims())
    assert is_believed(found, token)
    provider.keys[:] = [NEW]
    assert is_believed(found, token)
    wait_until(lambda: is_believed(found, NEW.sign(claims())), PATIENCE_S, "the keys were read again")
    assert not is_believed(found, token)


def test_while_the_provider_is_away_its_last_keys_hold_and_it_is_not_asked_by_every_request(
    provider: IdentityProvider,
) -> None:
    found = knowing(issuer(jwks=provider.url))
    provider.status, asked = 500, provider.asked
    for number in range(200):
        assert is_believed(found, OLD.sign(claims(sub=f"driver-{number}")))
        assert not is_believed(found, SigningKey(kid=f"random-{number % 5}").sign(claims()))
    assert provider.asked - asked <= 10
    assert found.ages_s()[0][1] > 0


def test_a_slow_provider_keeps_nobody_waiting(provider: IdentityProvider) -> None:
    found = knowing(issuer(jwks=provider.url))
    provider.answers.clear()
    asked = provider.asked
    assert not is_believed(found, NEW.sign(claims()))
    wait_until(lambda: provider.asked > asked, PATIENCE_S, "the keys are being read")
    done = threading.Event()
    threading.Thread(target=lambda: [found.principal(OLD.sign(claims())), done.set()], daemon=True).start()
    assert done.wait(PATIENCE_S), "a good token waited for a slow provider"


def test_before_the_keys_were_ever_read_nobody_can_tell_who_it_is(provider: IdentityProvider) -> None:
    provider.status = 500
    found = knowing(issuer(jwks=provider.url))
    with pytest.raises(KeysAwayError):
        found.principal(OLD.sign(claims()))
    provider.status = 200
    wait_until(lambda: bool(found.ages_s()), PATIENCE_S, "the keys were read")
    assert is_believed(found, OLD.sign(claims()))


def test_a_known_token_ends_when_it_expires(provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    found, token = knowing(issuer(jwks=provider.url)), OLD.sign(claims(exp=int(time.time()) + 60))
    assert is_believed(found, token)
    later_s = time.time() + 91
    monkeypatch.setattr(module.time, "time", lambda: later_s)
    assert not is_believed(found, token)


def test_no_more_tokens_are_kept_than_the_bound(provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEPT", 3)
    found = knowing(issuer(jwks=provider.url))
    for number in range(10):
        found.principal(OLD.sign(claims(sub=str(number))))
    assert len(found._known) == 3


def test_outcomes_are_counted_by_a_few_words(provider: IdentityProvider) -> None:
    found = knowing(issuer(jwks=provider.url))
    token = OLD.sign(claims())
    for each in (token, token, "rubbish", OLD.sign(claims(exp=1)), SigningKey(kid="old").sign(claims())):
        is_believed(found, each)
    assert found.outcomes == {"ok": 1, "malformed": 1, "expired": 1, "bad-signature": 1}


def test_keys_in_a_file_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(key_set(OLD))
    found = knowing(issuer(jwks=str(path)))
    assert is_believed(found, OLD.sign(claims()))
    path.write_bytes(key_set(NEW))
    wait_until(lambda: is_believed(found, NEW.sign(claims())), PATIENCE_S, "the file was read again")
    assert not is_believed(found, OLD.sign(claims()))
