"""Who may call what: each request is known by its token before its view runs, and each route says what it needs.

A route names scopes, of which a caller needs one (`operation(needs=...)` or `needs(...)`); `OPEN` is for what tells
nobody anything, such as `/health`. A route that says nothing needs `grid:operate`, so forgetting it opens nothing.

Services speak for others. What they say of a request in headers of their own (its owner, its number, what is left of
its time) is believed from them only: from anyone else these headers are taken away before a view can read them, and at
an edge (a gateway) from everyone. Who is refused, or not even asked, is no service either. Where nothing is asked of
anyone, everyone is as good as a service.

Whose a session is comes from the token of who starts it, or from the service that has checked that token. Lists, looks
and stops are limited to the caller's own unless it may see, or operate, the whole grid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flask import Flask, request

from smartgrid.auth.authenticator import Authenticator, KeysAwayError
from smartgrid.auth.principal import EVERYONE, Principal
from smartgrid.auth.scopes import GRID_OPERATE, GRID_READ, GRID_SERVICE
from smartgrid.auth.tokens import TokenError
from smartgrid.http_server.hosts import host_of
from smartgrid.protocol.headers import INTERNAL, OWNER, OWNER_PATTERN, RESIDENCY, RESIDENCY_PATTERN, TOKEN
from smartgrid.web.problems import ProblemError

OPEN: tuple[str, ...] = ()
FORGOTTEN = (GRID_OPERATE,)
PRINCIPAL = "smartgrid.principal"
"""Who calls, in the WSGI environment."""
REALM = 'Bearer realm="smartgrid"'
_OWNER = re.compile(OWNER_PATTERN)
_RESIDENCY = re.compile(RESIDENCY_PATTERN)
_STRANGER = Principal("", frozenset())
"""Whoever calls what is open to all, where others are asked who they are."""
ViewT = TypeVar("ViewT", bound=Callable[..., Any])
OtherWay = Callable[[], Principal | None]


def _in_environ(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


_STRIPPED, _TOKEN = [_in_environ(name) for name in INTERNAL], _in_environ(TOKEN)


def needs(*scopes: str) -> Callable[[ViewT], ViewT]:
    """Say that a view is for who has one of these scopes; for everyone where there are none."""

    def mark(view: ViewT) -> ViewT:
        view._needs = scopes  # type: ignore[attr-defined]
        return view

    return mark


def needs_of(view: Callable[..., Any]) -> tuple[str, ...]:
    """The scopes of which a view needs one."""
    found: tuple[str, ...] = getattr(view, "_needs", FORGOTTEN)
    return found


class Guard:
    """Lets requests through to their views, or not."""

    def __init__(
        self,
        authenticator: Authenticator | None = None,
        anonymous: Principal | None = None,
        *,
        is_edge: bool = False,
    ) -> None:
        """Without an authenticator nothing is asked of anyone. `anonymous` is who comes without a token, if allowed."""
        self.authenticator = authenticator
        """What knows tokens, where they are asked for."""
        self.anonymous = EVERYONE if authenticator is None else anonymous
        """Who comes without a token, if that is allowed."""
        self._is_edge = is_edge
        self._needs: dict[str, tuple[str, ...]] = {}
        self.service_hosts: frozenset[str] = frozenset()
        """Names by which only services may call: those under which others than the release's own pods reach it."""
        self.other_ways: list[OtherWay] = []
        """Ways to know a caller without a token in a header, such as a cookie; each gives None for who is unknown."""
        self.once_known: list[Callable[[], None]] = []
        """What is done, or refused, once the caller of a route that needs something is known, before it is looked at
        what they may do: who asks for what is forbidden asks as well."""

    @property
    def asks(self) -> bool:
        """Whether anything is asked of anyone."""
        return self.authenticator is not None

    def install(self, app: Flask) -> None:
        """Guard the routes of `app`; after all of them are there."""
        self._needs = {endpoint: needs_of(view) for endpoint, view in app.view_functions.items()}
        app.before_request_funcs.setdefault(None, []).insert(0, self.check)

    def check(self) -> None:
        """Know the caller of the present request. Raises a problem (401, 403, 503) where it may not call this."""
        environ, endpoint = request.environ, request.endpoint
        told = {name: environ.pop(name) for name in _STRIPPED if name in environ}
        if endpoint is None:
            return  # there is no such route
        wanted = self._needs.get(endpoint, FORGOTTEN)
        environ[PRINCIPAL] = caller = self._caller(environ) if wanted else self._open_to()
        if caller.is_service and not self._is_edge:
            environ.update(told)
        if not wanted:
            return
        if not caller.is_service and self.service_hosts and host_of(environ.get("HTTP_HOST", "")) in self.service_hosts:
            raise _forbidden((GRID_SERVICE,))
        for then in self.once_known:
            then()
        if not caller.may(*wanted):
            raise _forbidden(wanted)

    def _open_to(self) -> Principal:
        return _STRANGER if self.asks else EVERYONE

    def _caller(self, environ: Mapping[str, Any]) -> Principal:
        if self.authenticator is None:
            return EVERYONE
        header = environ.get("HTTP_AUTHORIZATION")
        if header is None and _TOKEN in environ:
            header = f"Bearer {environ[_TOKEN]}"
        if header is None:
            found = next((known for way in self.other_ways if (known := way()) is not None), self.anonymous)
            if found is None:
                raise unauthenticated("Send a token in the header Authorization: Bearer.")
            return found
        kind, _, token = header.partition(" ")
        if kind.lower() != "bearer" or not token:
            raise unauthenticated("The header Authorization must be Bearer and a token.")
        try:
            return self.authenticator.principal(token.strip())
        except TokenError as error:
            raise unauthenticated(str(error), "invalid_token") from None
        except KeysAwayError:
            detail = "The issuer of the token cannot be asked for its keys, so nobody can tell who this is. Try again."
            raise ProblemError(503, "issuer-unavailable", detail, headers={"Retry-After": "5"}) from None


def principal() -> Principal:
    """Who makes the present request."""
    found: Principal = request.environ[PRINCIPAL]
    return found


def may_read_grid() -> bool:
    """Whether it is known who makes the present request, and may see the state of the grid."""
    caller: Principal | None = request.environ.get(PRINCIPAL)
    return caller is not None and caller.may(GRID_READ)


def require(*scopes: str) -> None:
    """Raise a problem (403) unless the caller has one of these scopes."""
    if not principal().may(*scopes):
        raise _forbidden(scopes)


def owner() -> str | None:
    """Whose session a request starts, and whose sessions alone it may see and stop; None where it is nobody's, and
    where it may see all. Raises a problem (422) where a service's header is no owner."""
    caller = principal()
    if caller.is_service:
        return _told_owner()
    if request.method == "POST":
        return caller.owner
    return None if caller.may(GRID_OPERATE if request.method == "DELETE" else GRID_READ) else caller.owner


def residency() -> str | None:
    """Where the car that a request brings may be charged; None where anywhere. Raises a problem: 403 where the caller
    is bound to a place that its token does not name, 422 where a service's header names none."""
    caller = principal()
    found = request.headers.get(RESIDENCY) if caller.is_service else caller.residency
    if found == "":
        detail = "The token does not say where its cars may be charged, and its issuer's tokens have to."
        raise ProblemError(403, "region-not-allowed", detail)
    if found is not None and not _RESIDENCY.fullmatch(found):
        raise ProblemError(422, "invalid-request", f"{RESIDENCY} must be letters, digits, dots, hyphens: 63 at most.")
    return found


def _told_owner() -> str | None:
    found = request.headers.get(OWNER)
    if found is not None and not _OWNER.fullmatch(found):
        raise ProblemError(422, "invalid-request", f"{OWNER} must be 22 characters of base64url.")
    return found


def unauthenticated(detail: str, error: str = "") -> ProblemError:
    """401, and how to do better (RFC 6750)."""
    challenge = f'{REALM}, error="{error}"' if error else REALM
    return ProblemError(401, "unauthenticated", detail, headers={"WWW-Authenticate": challenge})


def _forbidden(wanted: tuple[str, ...]) -> ProblemError:
    scopes = " or ".join(wanted)
    challenge = f'{REALM}, error="insufficient_scope", scope="{" ".join(wanted)}"'
    detail = f"This needs the scope {scopes}, which the token does not give."
    return ProblemError(403, "forbidden", detail, headers={"WWW-Authenticate": challenge}, needs=list(wanted))


def outgoing() -> dict[str, str]:
    """The header by which the next service learns whose the request is; none where it is nobody's."""
    found = owner()
    return {} if found is None else {OWNER: found}


def outgoing_with_car() -> dict[str, str]:
    """The same where it brings a car, with where that may be charged."""
    found = residency()
    return outgoing() if found is None else {**outgoing(), RESIDENCY: found}
