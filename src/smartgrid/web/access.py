"""Whose a request is."""

from __future__ import annotations

import re

from flask import request

from smartgrid.protocol.headers import OWNER
from smartgrid.web.problems import ProblemError

_OWNER = re.compile(r"[A-Za-z0-9_-]{22}")


def owner() -> str | None:
    """Whose session a request starts, and whose sessions it may see and stop; None where it is nobody's, and where it
    may see all. Raises a problem (422) where the header is no owner."""
    found = request.headers.get(OWNER)
    if found is not None and not _OWNER.fullmatch(found):
        raise ProblemError(422, "invalid-request", f"{OWNER} must be 22 characters of base64url.")
    return found


def outgoing() -> dict[str, str]:
    """The header by which the next service learns whose the request is; none where it is nobody's."""
    found = owner()
    return {} if found is None else {OWNER: found}
