"""The token that this process sends to others: a file, which whoever made it replaces before it expires."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from pathlib import Path

from smartgrid.auth.tokens import MAX_TOKEN_BYTES
from smartgrid.runtime.bounded_file import first_bytes

READ_AGAIN_S = 60.0
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")


def headers_of(token: str) -> dict[str, str]:
    """`Authorization` with this token. Raises ValueError for what can be none."""
    if len(token) > MAX_TOKEN_BYTES or not _TOKEN.fullmatch(token):
        raise ValueError(f"a token is one word of at most {MAX_TOKEN_BYTES} letters, digits and -._~+/=")
    return {"Authorization": f"Bearer {token}"}


class BearerFile:
    """A token in a file, read anew each minute. While it cannot be read, the last one is sent."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._headers: dict[str, str] = {}
        self._again_s = 0.0

    def headers(self) -> dict[str, str]:
        """`Authorization`, or nothing where there has never been a token."""
        now_s = time.monotonic()
        if now_s >= self._again_s:
            self._again_s = now_s + READ_AGAIN_S
            self._read()
        return self._headers

    def _read(self) -> None:
        try:
            token = first_bytes(self._path, MAX_TOKEN_BYTES).decode("ascii", "replace").strip()
        except OSError:
            return
        with suppress(ValueError):
            self._headers = headers_of(token)
