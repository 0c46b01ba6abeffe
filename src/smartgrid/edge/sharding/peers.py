"""The other edges: what they are called and where they are.

Either a setting names them all (`fixed`), or it has a template of their URLs with a place for a number: the edges of a
StatefulSet are `edge-0`, `edge-1` and so on, and nobody tells a pod how many of them there are. Then those are looked
for whose numbers are up to a little beyond the highest that is known, so that a scale-up is noticed without a restart.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

NUMBER = "{n}"
"""In a template, the place of an edge's number in its StatefulSet."""
MAX_PEERS = 64
LOOK_AHEAD = 2
"""Numbers beyond the highest that is known which are looked for: one edge may be missing where the next is there."""
_PORTS = {"ws": 80, "wss": 443}
_NUMBERED = re.compile(r"(?P<family>.+)-(?P<number>[0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class Peer:
    """One edge. `host` and `port` are where chargers connect, and so does who passes one on."""

    name: str
    host: str
    port: int
    is_tls: bool
    http_url: str


def peer(name: str, websocket_url: str, http_url: str) -> Peer:
    """Of checked URLs."""
    parts = urlsplit(websocket_url)
    return Peer(name, parts.hostname or "", parts.port or _PORTS[parts.scheme], parts.scheme == "wss", http_url)


class Candidates:
    """The edges that there may be."""

    def __init__(self, own_name: str, fixed: Mapping[str, tuple[str, str]], template: str) -> None:
        """`fixed` has the WebSocket and the HTTP URL by name. A template has both, with `|` between, and `{n}` in the
        place of an edge's number; names are this one's with another number. Raises ValueError where it has none."""
        self._own_name = own_name
        self.fixed = {name: peer(name, *urls) for name, urls in fixed.items() if name != own_name}
        self._template = "" if fixed else template
        self._family, self._own_number = _numbered(own_name) if self._template else ("", 0)

    def beside(self, known: Collection[str]) -> list[Peer]:
        """Those to look for, when these are known already."""
        if not self._template:
            return list(self.fixed.values())
        numbers = [self._own_number, *(_numbered(name)[1] for name in known)]
        last = min(MAX_PEERS - 1, max(numbers) + LOOK_AHEAD)
        return [self._numbered_peer(number) for number in range(last + 1) if number != self._own_number]

    def _numbered_peer(self, number: int) -> Peer:
        websocket_url, _, http_url = self._template.replace(NUMBER, str(number)).partition("|")
        return peer(f"{self._family}-{number}", websocket_url, http_url)


def _numbered(name: str) -> tuple[str, int]:
    found = _NUMBERED.fullmatch(name)
    if found is None:
        raise ValueError(f"an edge of a template is named with its number, as edge-0 is; this one is {name}")
    return found["family"], int(found["number"])
