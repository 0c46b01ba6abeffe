"""Who a request comes from."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from smartgrid.auth.scopes import ALL, GRID_SERVICE

OWNER_BYTES = 16


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller by a name that tells nobody who it is (`owner_of`), and what it may do."""

    owner: str
    scopes: frozenset[str]
    residency: str | None = None
    """Where its cars may be charged (docs/regions.md); None where it is bound to no place, and empty where it is bound
    to one that its token does not name."""

    def may(self, *needs: str) -> bool:
        """Whether it has one of these scopes. A service has all of them, as it acts for others."""
        return GRID_SERVICE in self.scopes or not self.scopes.isdisjoint(needs)

    @property
    def is_service(self) -> bool:
        return GRID_SERVICE in self.scopes


def owner_of(issuer: str, subject: str) -> str:
    """The name under which sessions are kept: 22 characters of base64url, the same for the same issuer and subject.

    A hash without a key, as every service and every restart must come to the same. So it is a pseudonym: who can guess
    a subject can check the guess.
    """
    digest = hashlib.blake2b(f"{len(issuer)}:{issuer}{subject}".encode(), digest_size=OWNER_BYTES).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


EVERYONE = Principal(owner_of("", "everyone"), ALL)
"""The caller where nothing is asked of anyone: believed in all that it says, as every service is."""


def anonymous(scopes: frozenset[str]) -> Principal:
    """Whoever comes without a token, where they may do something."""
    return Principal(owner_of("", "anonymous"), scopes)
