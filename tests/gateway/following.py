"""A client of server-sent events, as strict as a browser about their form."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from support.processes import Process

LONGEST_S = 60.0


@dataclass(frozen=True)
class Event:
    """One event: its id, and the session in it."""

    id: str
    session: dict[str, Any]


@dataclass
class Events:
    """The answer to `GET /sessions/{id}/events`."""

    reply: requests.Response

    def __iter__(self) -> Iterator[Event]:
        """Up to the end of the stream."""
        fields: dict[str, str] = {}
        for line in self.reply.iter_lines(chunk_size=1, decode_unicode=True):
            if not line and "data" in fields:
                assert fields.pop("event") == "session"
                yield Event(fields.pop("id"), json.loads(fields.pop("data")))
            elif line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                assert name in ("event", "id", "data", "retry"), line
                fields[name] = value

    def next(self) -> Event:
        return next(iter(self))


@contextmanager
def follow(gateway: Process, session_id: str, headers: Mapping[str, str] = {}) -> Iterator[Events]:
    """Follow a session until the block ends."""
    url = f"{gateway.url}/sessions/{session_id}/events"
    with requests.get(url, headers=headers, stream=True, timeout=LONGEST_S) as reply:
        yield Events(reply)
