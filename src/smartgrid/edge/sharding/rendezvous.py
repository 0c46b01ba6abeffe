"""Which of several edges owns a substation: rendezvous hashing. Pure.

Each edge draws a lot for each substation, by a hash of both names, and the highest wins. So all who know the same edges
agree without talking to each other; an edge that joins gets an equal share from each other one, and nothing moves
between those; and one that leaves leaves its own to all the others alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b


def owner(substation: str, edges: Iterable[str]) -> str:
    """The edge that owns it. Raises ValueError where there are no edges."""
    return max(edges, key=lambda edge: _lot(substation, edge))


def _lot(substation: str, edge: str) -> tuple[bytes, str]:
    """Names are DNS labels, so the separator is in neither."""
    return blake2b(f"{substation}/{edge}".encode(), digest_size=8).digest(), edge
