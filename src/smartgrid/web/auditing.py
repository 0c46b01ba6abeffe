"""What the audit says of a request: who did what, to what, from which request, with which outcome.

Written by the service that knows the person: the gateway, or the balancer or substation that a person calls directly.
A service that acts for somebody has had it written where it was asked itself, so what it then asks of others is not
written again. Where nothing is asked of anyone there is nobody to name, and no audit.

The person is the owner, a pseudonym (`auth.principal`); vehicles, tokens and subjects never appear, and a session
under a hash only, as whoever has its id can look for it. Also what was refused for want of a scope (403) is written.
What was not done for other reasons of the asker's (429, 401) is not: nobody is known by it, or nothing was to be done,
and it would let anybody fill the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, Response, request

from smartgrid.auth.principal import Principal
from smartgrid.protocol import tracing
from smartgrid.runtime import logs
from smartgrid.runtime.audit import Audit
from smartgrid.runtime.settings import ServiceSettings
from smartgrid.runtime.start_error import StartError
from smartgrid.web.access import PRINCIPAL, Guard, needs_of
from smartgrid.web.metrics import Registry

NOTED = "smartgrid.audited"
FOUND = "smartgrid.audited_who"
NOT_WRITTEN = (401, 429)
ViewT = TypeVar("ViewT", bound=Callable[..., Any])


def audited(action: str) -> Callable[[ViewT], ViewT]:
    """Mark a view as one that changes something, by a word for what it does."""

    def mark(view: ViewT) -> ViewT:
        view._audited = action  # type: ignore[attr-defined]
        return view

    return mark


def note(**target: object) -> None:
    """What the present request changes, for its line; a session by its id."""
    request.environ.setdefault(NOTED, {}).update(target)


def note_who(caller: Principal, outcome: str = "done") -> None:
    """Who it is and what came of it, where the view finds out: its route is open to all, and its answer a redirect."""
    request.environ[FOUND] = caller, outcome


def session(session_id: str) -> str:
    """A session as it may appear in the audit: the same in all services that have the same `SMARTGRID_LOG_HASH_KEY`."""
    return logs.vehicle(session_id.rpartition(".")[2])


def install(app: Flask, guard: Guard, audit: Audit) -> None:
    """Write a line for each request of `app` that changes something; after all routes are there."""
    if not guard.asks:
        return
    views = {name: view for name, view in app.view_functions.items() if hasattr(view, "_audited")}

    def write(response: Response) -> Response:
        view = views.get(request.endpoint or "")
        if view is not None and request.method != "OPTIONS" and response.status_code not in NOT_WRITTEN:
            caller, outcome = _found(view, response)
            if caller is not None and not caller.is_service:
                audit.line(_fields(view._audited, caller, outcome, response.status_code))
        return response

    app.after_request(write)


def of_settings(service: str, settings: ServiceSettings, registry: Registry) -> Audit:
    """The audit of a service, with its metrics. Raises StartError."""
    try:
        audit = Audit(service, settings.audit_log)
    except OSError as error:
        raise StartError(f"SMARTGRID_AUDIT_LOG={settings.audit_log}: {error.strerror or error}") from None
    registry.add_text(audit.metrics)
    return audit


def _found(view: Callable[..., Any], response: Response) -> tuple[Principal | None, str]:
    environ, outcome = request.environ, _outcome(response.status_code)
    known: Principal | None = environ.get(PRINCIPAL) if needs_of(view) else None
    found: tuple[Principal | None, str] = environ.get(FOUND, (known, outcome))
    return found


def _fields(action: str, caller: Principal, outcome: str, status: int) -> dict[str, Any]:
    target = {**(request.view_args or {}), **request.environ.get(NOTED, {})}
    if "session_id" in target:
        target["session"] = session(str(target.pop("session_id")))
    return {
        "who": caller.owner,
        "did": action,
        "to": {key: value[:200] if isinstance(value, str) else value for key, value in target.items()},
        "outcome": outcome,
        "status": status,
        "request_id": tracing.current(),
    }


def _outcome(status: int) -> str:
    """`unknown` where it may have been done all the same."""
    if status < 400:
        return "done"
    if status == 403:
        return "forbidden"
    return "unknown" if status in (500, 502, 504) else "refused"
