"""Tokens for tests, from an issuer of their own."""

from __future__ import annotations

from pathlib import Path

from smartgrid.auth.local_issuer import LocalIssuer
from smartgrid.auth.principal import owner_of
from smartgrid.auth.scopes import CHARGE_READ, CHARGE_WRITE, GRID_OPERATE, GRID_READ, GRID_SERVICE

DRIVER = (CHARGE_READ, CHARGE_WRITE)
OPERATOR = (CHARGE_READ, CHARGE_WRITE, GRID_OPERATE, GRID_READ)
LIFETIME_S = 3600.0


class Issuing:
    """An issuer in a folder, the settings of services that believe it, and headers for those who call them."""

    def __init__(self, folder: Path) -> None:
        self.issuer = LocalIssuer.open(folder / "issuer")

    def settings(self) -> dict[str, object]:
        """Of a service that asks everyone for a token, and has one of its own."""
        path = self.issuer.folder / "service.token"
        self.issuer.write_token(path, "service", [GRID_SERVICE], LIFETIME_S)
        return {"auth_issuers": self.issuer.issuers_path, "service_token_file": path}

    def token(self, subject: str, *scopes: str, lifetime_s: float = LIFETIME_S) -> str:
        return self.issuer.token(subject, scopes, lifetime_s)

    def headers(self, subject: str, *scopes: str, lifetime_s: float = LIFETIME_S) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(subject, *scopes, lifetime_s=lifetime_s)}"}

    def owner(self, subject: str) -> str:
        from smartgrid.auth.local_issuer import ISSUER

        return owner_of(ISSUER, subject)
