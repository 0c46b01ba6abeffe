"""Which tags may charge (`SMARTGRID_ID_TAGS_FILE`): one a line, as OCPP compares them, without regard to case."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from smartgrid.runtime.bounded_file import first_bytes
from smartgrid.runtime.start_error import StartError

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_TAG = 255


def allows(path: Path | None) -> Callable[[str], bool]:
    """Whether a tag may charge; any, where there is no file. Raises StartError."""
    if path is None:
        return lambda id_tag: True
    try:
        text = first_bytes(path, MAX_FILE_BYTES + 1)
        tags = frozenset(line.strip().casefold() for line in text.decode().splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"SMARTGRID_ID_TAGS_FILE={path} must be a text file with a tag a line: {error}") from None
    if len(text) > MAX_FILE_BYTES or any(len(tag) > MAX_TAG for tag in tags):
        raise StartError(f"SMARTGRID_ID_TAGS_FILE={path} must have at most {MAX_FILE_BYTES} bytes, and {MAX_TAG} a tag")
    return lambda id_tag: id_tag.casefold() in tags
