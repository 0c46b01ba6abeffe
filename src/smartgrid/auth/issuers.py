"""Whose tokens are believed: a list of issuers, from a file or the environment.

Drivers, operators, other regions and the services among themselves differ only in who issues their tokens, so there is
one list, one way to check and one place that can be wrong. An entry says where an issuer's keys are, for whom its
tokens must be made (the audience), and what its claims mean here:

    [{"issuer": "https://login.example.com", "audience": "smartgrid", "jwks": "https://login.example.com/keys"},
     {"issuer_from": "/var/run/secrets/smartgrid/token", "audience": "smartgrid-grid",
      "jwks": "https://kubernetes.default.svc/openid/v1/jwks", "ca": "…/ca.crt", "bearer_token_file": "…/api-token",
      "claims": {"scope": "sub"}, "grants": {"system:serviceaccount:grid:grid-gateway": ["grid:service"]}}]

`claims.scope` names the claim that holds scopes, or roles, groups, or as above the subject; a dot leads inwards. Where
`grants` is given its values are looked up there, and what is not there gives nothing; else they are scopes as they are.
`grid:service` is given by `grants` only: an identity provider cannot make one of its users a service by a claim.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import jwt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from smartgrid.auth.scopes import ALL, PEOPLE
from smartgrid.protocol.headers import RESIDENCY_PATTERN
from smartgrid.runtime import json_setting
from smartgrid.runtime.start_error import StartError

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
MAX_ISSUERS = 20
VARIABLE = "SMARTGRID_AUTH_ISSUERS"
MAX_SCOPE_VALUES = 200
_RESIDENCY = re.compile(RESIDENCY_PATTERN)


def _is_scope(value: str) -> str:
    if value not in ALL:
        raise ValueError(f"must be one of {', '.join(sorted(ALL))}")
    return value


def _is_of_people(value: str) -> str:
    if value not in PEOPLE:
        raise ValueError("grid:service is given by grants only")
    return value


Scope = Annotated[str, AfterValidator(_is_scope)]
PeoplesScope = Annotated[Scope, AfterValidator(_is_of_people)]


class Claims(BaseModel):
    """Which claims say what."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scope: str = Field("scope", min_length=1, max_length=200, description="Scopes, roles, groups; dots lead inwards.")
    residency: str = Field(
        "",
        max_length=200,
        description="Where the cars of its holder may be charged. Where it is named, no token without it starts any.",
    )
    subject: str = Field("sub", min_length=1, max_length=200, description="Who it is, always the same for one person.")


class Issuer(BaseModel):
    """One whose tokens are believed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str = Field("", max_length=500, description="The claim `iss`, exactly.")
    issuer_from: Path | None = Field(None, description="A file with a token of that issuer, in place of `issuer`.")
    audience: str = Field(min_length=1, max_length=500, description="The claim `aud` has to have this.")
    jwks: str = Field(min_length=1, max_length=1000, description="Its key set: a URL, or the path of a file.")
    ca: Path | None = Field(None, description="Certificate authorities of that URL.")
    bearer_token_file: Path | None = Field(None, description="A token that is sent to that URL.")
    algorithms: tuple[Algorithm, ...] = Field(("RS256", "ES256", "EdDSA"), min_length=1)
    type: str | None = Field(None, max_length=50, description="What `typ` must be, such as at+jwt.")
    claims: Claims = Claims()
    grants: dict[str, tuple[Scope, ...]] = Field({}, max_length=MAX_SCOPE_VALUES)
    everyone: tuple[PeoplesScope, ...] = Field((), description="Scopes that each of its tokens gives.")

    @model_validator(mode="after")
    def _is_whole(self) -> Issuer:
        if bool(self.issuer) == (self.issuer_from is not None):
            raise ValueError("needs either issuer or issuer_from")
        parts = urlsplit(self.jwks)
        if self.is_remote and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("jwks must be an http or https URL, or the path of a file")
        return self

    @property
    def is_remote(self) -> bool:
        return "://" in self.jwks

    def scopes(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """What these claims give here."""
        values = _values(_find(claims, self.claims.scope))
        if self.grants:
            given = frozenset(scope for value in values for scope in self.grants.get(value, ()))
        else:
            given = values & PEOPLE
        return given | frozenset(self.everyone)

    def residency(self, claims: Mapping[str, Any]) -> str | None:
        """Where these claims' holder is bound to; None where this issuer binds nobody, empty where they do not say."""
        if not self.claims.residency:
            return None
        found = _find(claims, self.claims.residency)
        return found if isinstance(found, str) and _RESIDENCY.fullmatch(found) else ""

    def subject(self, claims: Mapping[str, Any]) -> str | None:
        """Who it is, or None where the claims do not say."""
        found = _find(claims, self.claims.subject)
        return found if isinstance(found, str) and found and _is_text(found) else None


def _is_text(value: str) -> bool:
    """JSON can name halves of characters, which no encoding has."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _find(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of this name, whole (as in `https://example.com/roles`), else by its parts."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _values(claim: Any) -> frozenset[str]:
    """A claim's values: words separated by spaces (RFC 8693), or a list."""
    found = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else []
    return frozenset(value for value in found[:MAX_SCOPE_VALUES] if isinstance(value, str))


_ISSUERS = TypeAdapter(Annotated[list[Issuer], Field(max_length=MAX_ISSUERS)])


def load(setting: str) -> list[Issuer]:
    """The issuers that a setting names: JSON, or the path of a file with it. Raises StartError."""
    return [_with_name(issuer) for issuer in json_setting.load(VARIABLE, setting, _ISSUERS)]


def _with_name(issuer: Issuer) -> Issuer:
    """With the name that its token says: one from our own disk, so its signature is not looked at."""
    if issuer.issuer_from is None:
        return issuer
    try:
        claims = jwt.decode(json_setting.read(issuer.issuer_from).strip(), options={"verify_signature": False})
        return issuer.model_copy(update={"issuer": str(claims["iss"])})
    except (jwt.InvalidTokenError, KeyError, OSError, ValueError) as error:
        raise StartError(f"{VARIABLE}: {issuer.issuer_from} is no token that names its issuer ({error})") from None
