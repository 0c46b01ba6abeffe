"""The passing of time, where it is what a test is about."""

from __future__ import annotations

import time


def pause(what: str, seconds: float) -> None:
    """Let `what` go on for a while."""
    if not what:
        raise ValueError("say what the time is for")
    time.sleep(seconds)
