"""Identities for grids of tests: an issuer of their own, tokens of it, and what the processes need to believe them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from smartgrid.auth import scopes
from smartgrid.auth.local_issuer import ISSUER, LocalIssuer
from smartgrid.auth.principal import owner_of

LIFETIME_S = 3600.0
DRIVER = (scopes.CHARGE_READ, scopes.CHARGE_WRITE)
OPERATOR = (*DRIVER, scopes.GRID_OPERATE, scopes.GRID_READ)


class Identities:
    """Those of one grid."""

    def __init__(self, folder: Path) -> None:
        self.issuer = LocalIssuer.open(folder)
        self._service_token = folder / "service.token"
        self.issuer.write_token(self._service_token, "service", [scopes.GRID_SERVICE], LIFETIME_S)

    @property
    def believing(self) -> dict[str, object]:
        """The settings of every service."""
        return {"auth_issuers": self.issuer.issuers_path}

    @property
    def calling(self) -> dict[str, object]:
        """The settings of a service that calls others."""
        return {**self.believing, "service_token_file": self._service_token}

    def bearer(self, subject: str, wanted: Iterable[str] = DRIVER) -> dict[str, str]:
        """The header of somebody."""
        return {"Authorization": f"Bearer {self.issuer.token(subject, wanted, LIFETIME_S)}"}

    def owner(self, subject: str) -> str:
        """The name under which somebody is known."""
        return owner_of(ISSUER, subject)
