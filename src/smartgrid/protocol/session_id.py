"""Ids of sessions, and the paths by which a superseded session names the one that counts.

A substation's id is bare. Each balancer prepends the name of the member that it comes from, so an id says which way a
request for it goes:

    2n9hV0...                      at the substation
    substation-1.2n9hV0...         at its balancer
    west.substation-1.2n9hV0...    at a balancer of regions

A substation notes by which session one of its own was superseded as a path from where it stands: `../substation-1.x` is
a session of the balancer above it, `../../west.substation-1.x` of the one above that. On the way up each balancer
removes one `../`, or, where none is left, prepends the name of the member, as for an id. On the way down it prepends
`../`. So every balancer reads in the path an id of its own, or, where `../` is left, one of a balancer above it.
"""

from __future__ import annotations

import re

SEPARATOR = "."
UP = "../"
MAX_LENGTH = 300
_SESSION_ID = re.compile(rf"[A-Za-z0-9_.-]{{1,{MAX_LENGTH}}}")
MAX_UP = 8
"""Balancers one above the other."""
_PATH = re.compile(rf"(\.\./){{0,{MAX_UP}}}[A-Za-z0-9_-][A-Za-z0-9_.-]{{0,{MAX_LENGTH - 1}}}")


def is_session_id(value: object) -> bool:
    """Whether it can be one, at any service."""
    return isinstance(value, str) and _SESSION_ID.fullmatch(value) is not None


def is_path(value: object) -> bool:
    """Whether it can name the session that counts, from wherever it stands."""
    return isinstance(value, str) and _PATH.fullmatch(value) is not None


def prefixed(member: str, session_id: str) -> str:
    """A member's id as its balancer shows it."""
    return f"{member}{SEPARATOR}{session_id}"


def split(session_id: str) -> tuple[str, str]:
    """Of a balancer's id: the member that has the session, and its id there, empty where there is none."""
    member, _, inner = session_id.partition(SEPARATOR)
    return member, inner


def path_up(member: str, path: str) -> str:
    """A path that a member has told, from where its balancer stands."""
    return path[len(UP) :] if path.startswith(UP) else prefixed(member, path)


def path_down(path: str) -> str:
    """A path, or an id of this balancer, from where a member stands."""
    return UP + path


def is_above(path: str) -> bool:
    """Whether it leads to a session of a balancer in front of this one."""
    return path.startswith(UP)


def place(member: str, session_id: str, substation: str) -> str:
    """Where a member's session is, as its balancer shows it: a substation has bare ids, a region names its own."""
    return prefixed(member, substation) if SEPARATOR in session_id else member
