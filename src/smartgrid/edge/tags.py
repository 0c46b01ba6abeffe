"""Which tags may charge (`SMARTGRID_ID_TAGS_FILE`): one a line, as OCPP compares them, without regard to case.

A line may have two fields more, after commas: the group of the tag (any tag of a group may stop what another has
begun; OCPP's parentIdTag, groupIdToken) and its status, of one that is known and may not charge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from smartgrid.runtime.bounded_file import first_bytes
from smartgrid.runtime.start_error import StartError

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_TAG, MAX_GROUP = 255, 20
STATUSES = ("Accepted", "Blocked", "Expired")
_STATUSES = {"": "Accepted"} | {each.casefold(): each for each in STATUSES}


@dataclass(frozen=True, slots=True)
class Tag:
    """What a charger is told of a tag, in OCPP's words; `group` is empty where it is of none."""

    status: str
    group: str = ""

    @property
    def may_charge(self) -> bool:
        return self.status == "Accepted"


ACCEPTED, INVALID = Tag("Accepted"), Tag("Invalid")


def load(path: Path | None) -> Callable[[str], Tag]:
    """What is known of a tag; any may charge, where there is no file. Raises StartError."""
    if path is None:
        return lambda id_tag: ACCEPTED
    try:
        content = first_bytes(path, MAX_FILE_BYTES + 1)
        lines = content.decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"SMARTGRID_ID_TAGS_FILE={path} must be a text file with a tag a line: {error}") from None
    if len(content) > MAX_FILE_BYTES:
        raise StartError(f"SMARTGRID_ID_TAGS_FILE={path} must have at most {MAX_FILE_BYTES} bytes")
    try:
        tags = _read(lines)
    except ValueError as error:
        raise StartError(f"SMARTGRID_ID_TAGS_FILE={path}, {error}") from None
    return lambda id_tag: tags.get(id_tag.casefold(), INVALID)


def _read(lines: Iterable[str]) -> dict[str, Tag]:
    """By tag, as it is compared. Raises ValueError."""
    found: dict[str, Tag] = {}
    for number, line in enumerate(lines, 1):
        tag, comma, more = line.strip().partition(",")
        if not tag and not comma:
            continue
        group, status = _group_and_status(more) if comma else ("", "")
        if not 0 < len(tag) <= MAX_TAG or len(group) > MAX_GROUP:
            text = f"a tag of at most {MAX_TAG} characters, or tag,group,status with a group of at most {MAX_GROUP}"
            raise ValueError(f"line {number}: must be {text}")
        if status.casefold() not in _STATUSES:
            raise ValueError(f"line {number}: the status must be {', '.join(STATUSES)}, not {status[:20]!r}")
        is_plain = not group and not status
        found[tag.strip().casefold()] = ACCEPTED if is_plain else Tag(_STATUSES[status.casefold()], group)
    return found


def _group_and_status(fields: str) -> tuple[str, str]:
    group, _, status = fields.partition(",")
    return group.strip(), status.strip()
