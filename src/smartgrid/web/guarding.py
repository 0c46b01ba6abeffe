"""Which guard a service has, by its settings."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from smartgrid.auth import issuers, scopes
from smartgrid.auth.authenticator import Authenticator
from smartgrid.auth.principal import Principal, anonymous
from smartgrid.http_server.hosts import is_loopback
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.runtime.settings import ServiceSettings
from smartgrid.runtime.start_error import StartError
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
    registry.register(TokensCollector(authenticator))
    return Guard(authenticator, unnamed, is_edge=is_edge)


def _anonymous(setting: str) -> Principal | None:
    try:
        given = scopes.parse(setting)
    except ValueError as error:
        raise StartError(f"SMARTGRID_AUTH_ANONYMOUS: {error}") from None
    if scopes.GRID_SERVICE in given:
        raise StartError(f"SMARTGRID_AUTH_ANONYMOUS: {scopes.GRID_SERVICE} is for services that prove who they are")
    return anonymous(given) if given else None


class TokensCollector(Collector):
    """How fresh the issuers' keys are, and how tokens have fared, read when Prometheus asks."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    def collect(self) -> Iterator[Metric]:
        ages = GaugeMetricFamily(
            "auth_keys_age_seconds", "Time since the keys of an issuer were read.", labels=["issuer"]
        )
        for issuer, age_s in self._authenticator.ages_s():
            ages.add_metric([issuer], round(age_s, 3))
        readings = CounterMetricFamily(
            "auth_key_readings", "Readings of the keys of an issuer, by outcome.", labels=["issuer", "outcome"]
        )
        for issuer, outcome, count in self._authenticator.readings():
            readings.add_metric([issuer, outcome], count)
        checked = CounterMetricFamily(
            "auth_tokens_checked", "Tokens checked that were not known from before, by outcome.", labels=["outcome"]
        )
        for outcome, count in self._authenticator.outcomes.copy().items():
            checked.add_metric([outcome], count)
        yield from (ages, readings, checked)
