"""What a caller may do, by name. `docs/security.md` says which route needs which."""

from __future__ import annotations

CHARGE_WRITE = "charge:write"
"""Start sessions, and stop one's own."""

CHARGE_READ = "charge:read"
"""See one's own sessions."""

GRID_READ = "grid:read"
"""See the console, the fleet and everybody's sessions."""

GRID_OPERATE = "grid:operate"
"""Change capacities and registrations, and stop anybody's session."""

GRID_SERVICE = "grid:service"
"""Be one of the services among themselves: do all of it on behalf of whom the caller names."""

ALL = frozenset({CHARGE_WRITE, CHARGE_READ, GRID_READ, GRID_OPERATE, GRID_SERVICE})
PEOPLE = ALL - {GRID_SERVICE}
"""What an issuer's own scopes may give. A service is known by name only (`issuers.Issuer.grants`)."""


def parse(text: str) -> frozenset[str]:
    """Scopes separated by spaces. Raises ValueError that names the first that does not exist."""
    found = frozenset(text.split())
    for unknown in sorted(found - ALL):
        raise ValueError(f"{unknown!r} is no scope; there are {', '.join(sorted(ALL))}")
    return found
