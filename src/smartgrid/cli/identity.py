"""The identities of `smartgrid up --auth`: an issuer in the data folder, and a token for each process.

The tokens live a day and are replaced each hour, whole, so a process reads a good one at any time (`auth.bearer`).
"""

from __future__ import annotations

from pathlib import Path

from smartgrid.auth.local_issuer import LocalIssuer
from smartgrid.auth.scopes import CHARGE_READ, CHARGE_WRITE, GRID_OPERATE, GRID_READ, GRID_SERVICE

FOLDER = "auth"
LIFETIME_S = 24 * 3600.0
RENEWED_S = 3600.0
RETRY_S = 60.0
CALLING = ("balancer", "gateway", "edge")
OPERATOR = (CHARGE_READ, CHARGE_WRITE, GRID_OPERATE, GRID_READ)


class Identities:
    """Makes the issuer when there is none in the data folder, and keeps the tokens fresh."""

    def __init__(self, data_dir: Path) -> None:
        """Raises OSError where the folder cannot be written, NoIssuerError for a key that is none."""
        self._issuer = LocalIssuer.open(data_dir / FOLDER)
        self._renew_s = 0.0

    def settings(self, service: str) -> dict[str, str]:
        """What a process is told by its environment, without the prefix."""
        found = {"AUTH_ISSUERS": str(self._issuer.issuers_path)}
        return found | ({"SERVICE_TOKEN_FILE": str(self._path(service))} if service in CALLING else {})

    def tend(self, now_s: float) -> None:
        """Write new tokens when it is time."""
        if now_s < self._renew_s:
            return
        try:
            for service in CALLING:
                self._issuer.write_token(self._path(service), service, [GRID_SERVICE], LIFETIME_S)
        except OSError:  # a full disk, perhaps: the tokens that are there hold for long
            self._renew_s = now_s + RETRY_S
            return
        self._renew_s = now_s + RENEWED_S

    def operator_token(self) -> str:
        """For the person who started the grid."""
        return self._issuer.token("operator", OPERATOR, LIFETIME_S)

    def _path(self, service: str) -> Path:
        return self._issuer.folder / f"{service}.token"
