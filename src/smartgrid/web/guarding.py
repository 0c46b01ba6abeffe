"""Which guard a service has, by its settings."""

from __future__ import annotations

from smartgrid.auth import issuers, scopes
from smartgrid.auth.authenticator import Authenticator
from smartgrid.auth.principal import Principal, anonymous
from smartgrid.http_server.hosts import is_loopback
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.runtime.settings import ServiceSettings
from smartgrid.runtime.start_error import StartError
from smartgrid.web import metrics
from smartgrid.web.access import Guard
from smartgrid.web.metrics import Registry


def guard(settings: ServiceSettings, lifecycle: Lifecycle, registry: Registry, *, is_edge: bool = False) -> Guard:
    """The guard, with its metrics and its part in readiness; it begins to read the issuers' keys.

    Raises StartError where others reach the address and nobody has said whom to let in: a service that is open to all
    must be so by somebody's wish.
    """
    if settings.auth == "off" or (not settings.auth_issuers and is_loopback(settings.host)):
        return Guard(is_edge=is_edge)
    if not settings.auth_issuers:
        raise StartError(
            f"others reach SMARTGRID_HOST={settings.host}: name in SMARTGRID_AUTH_ISSUERS who may issue tokens "
            "(docs/security.md), or let everyone in with SMARTGRID_AUTH=off"
        )
    authenticator, unnamed = Authenticator(issuers.load(settings.auth_issuers)), _anonymous(settings.auth_anonymous)
    authenticator.start()
    lifecycle.add_check(authenticator.not_ready)
    registry.add_text(lambda: _metrics(authenticator))
    return Guard(authenticator, unnamed, is_edge=is_edge)


def _anonymous(setting: str) -> Principal | None:
    try:
        given = scopes.parse(setting)
    except ValueError as error:
        raise StartError(f"SMARTGRID_AUTH_ANONYMOUS: {error}") from None
    if scopes.GRID_SERVICE in given:
        raise StartError(f"SMARTGRID_AUTH_ANONYMOUS: {scopes.GRID_SERVICE} is for services that prove who they are")
    return anonymous(given) if given else None


def _metrics(authenticator: Authenticator) -> str:
    ages = metrics.family(
        "auth_keys_age_seconds",
        "gauge",
        "Time since the keys of an issuer were read.",
        "issuer",
        [(_label(issuer), round(age_s, 3)) for issuer, age_s in authenticator.ages_s()],
    )
    name = "auth_key_readings_total"
    readings = f"# HELP {name} Readings of the keys of an issuer, by outcome.\n# TYPE {name} counter\n" + "".join(
        f'{name}{{issuer="{_label(issuer)}",outcome="{outcome}"}} {count}\n'
        for issuer, outcome, count in authenticator.readings()
    )
    outcomes = metrics.family(
        "auth_tokens_checked_total",
        "counter",
        "Tokens checked that were not known from before, by outcome.",
        "outcome",
        sorted(authenticator.outcomes.copy().items()),
    )
    return ages + readings + outcomes


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
