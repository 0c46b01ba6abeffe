"""Checks a token: whose it is, whether it holds now, and what it allows. Pure: keys and time are arguments.

What a token says about how it should be checked is not believed: the algorithm must be one of the issuer's list and
that of the key itself, `jku` and `x5u` are never followed, and a key is one of the issuer's own set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jwt

from smartgrid.auth.issuers import Issuer
from smartgrid.auth.key_set import KeySet
from smartgrid.auth.principal import Principal, owner_of

LEEWAY_S = 30.0
"""By so much clocks may differ."""
MAX_TOKEN_BYTES = 8 * 1024
MAX_KID_LENGTH = 200
Trusted = Sequence[tuple[Issuer, KeySet]]


class TokenError(Exception):
    """The token is not believed. `kind` is one of a few words, for the metric; the message is for who sent it."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class UnknownKeyError(TokenError):
    """The token is signed with a key that the issuer's set, as far as it is known here, does not have."""

    def __init__(self, issuer: Issuer) -> None:
        super().__init__("unknown-key", "The token is signed with a key that its issuer does not publish.")
        self.issuer = issuer


def verify(token: str, trusted: Trusted, now_s: float) -> tuple[Principal, float]:
    """Who it is, and the time until which the token holds, in seconds since 1970. Raises TokenError."""
    if len(token) > MAX_TOKEN_BYTES:
        raise TokenError("malformed", f"A token may have {MAX_TOKEN_BYTES} characters at the most.")
    header, unproven = _parts(token)
    candidates = [each for each in trusted if each[0].issuer == unproven.get("iss")]
    if not candidates:
        raise TokenError("unknown-issuer", "The token's issuer is none that is trusted here.")
    failure: TokenError | None = None
    for issuer, keys in candidates:  # there may be several for one issuer, of different audiences
        try:
            return _verify(token, header, issuer, keys, now_s)
        except TokenError as error:
            failure = failure if isinstance(failure, UnknownKeyError) else error
    assert failure is not None
    raise failure


def _parts(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    try:
        whole = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise TokenError("malformed", "The token is no JSON Web Token.") from None
    return whole["header"], whole["payload"]


def _verify(
    token: str, header: Mapping[str, Any], issuer: Issuer, keys: KeySet, now_s: float
) -> tuple[Principal, float]:
    if header.get("alg") not in issuer.algorithms:
        raise TokenError("bad-algorithm", f"The token must be signed with one of {', '.join(issuer.algorithms)}.")
    if issuer.type is not None and _bare(header.get("typ")) != _bare(issuer.type):
        raise TokenError("bad-type", f"The token's typ must be {issuer.type}.")
    key = _key(header.get("kid"), keys)
    if key is None:
        raise UnknownKeyError(issuer)
    claims = _claims(token, header["alg"], key, issuer)
    expires_s = _time(claims, "exp", now_s + LEEWAY_S)
    if expires_s <= now_s - LEEWAY_S:
        raise TokenError("expired", "The token has expired.")
    if _time(claims, "nbf", now_s) > now_s + LEEWAY_S or _time(claims, "iat", now_s) > now_s + LEEWAY_S:
        raise TokenError("not-yet", "The token is not valid yet.")
    subject = issuer.subject(claims)
    if subject is None:
        raise TokenError("no-subject", f"The token must have a subject, in the claim {issuer.claims.subject}.")
    whose = owner_of(issuer.issuer, subject)
    return Principal(whose, issuer.scopes(claims), issuer.residency(claims)), expires_s + LEEWAY_S


def _key(kid: Any, keys: KeySet) -> jwt.PyJWK | None:
    if kid is None:  # allowed where there is no choice
        return next(iter(keys.values())) if len(keys) == 1 else None
    return keys.get(kid) if isinstance(kid, str) and len(kid) <= MAX_KID_LENGTH else None


def _claims(token: str, algorithm: str, key: jwt.PyJWK, issuer: Issuer) -> dict[str, Any]:
    """The claims, which the key has signed, for us. Times are looked at by the caller, by its own clock."""
    try:
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=issuer.audience,
            issuer=issuer.issuer,
            options={
                "require": ["exp", "iss", "aud"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except jwt.InvalidAudienceError:
        raise TokenError("bad-audience", f"The token must be for {issuer.audience}.") from None
    except jwt.MissingRequiredClaimError as error:
        raise TokenError("missing-claim", f"The token has no {error.claim}.") from None
    except (jwt.PyJWTError, ValueError, TypeError):
        raise TokenError("bad-signature", "The token's signature does not hold.") from None


def _time(claims: Mapping[str, Any], name: str, otherwise: float) -> float:
    found = claims.get(name, otherwise)
    if isinstance(found, bool) or not isinstance(found, int | float) or not abs(found) < 1e12:
        raise TokenError("bad-time", f"The token's {name} must be a number of seconds.")
    return float(found)


def _bare(kind: Any) -> str:
    return str(kind).lower().removeprefix("application/")
