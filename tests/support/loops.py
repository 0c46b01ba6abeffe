"""An event loop for a test that is no coroutine.

In a thread of its own: where a worker has run tests of the console before, Playwright's loop runs in its main thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
