"""Why a service cannot start."""

from __future__ import annotations


class StartError(Exception):
    """A service cannot start; the message is one sentence that says what would be right."""
