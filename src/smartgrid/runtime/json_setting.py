"""Settings that are a JSON list, given as it is or as the path of a file with it."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from smartgrid.runtime.bounded_file import first_bytes
from smartgrid.runtime.start_error import StartError

MAX_FILE_BYTES = 1024 * 1024
ListT = TypeVar("ListT")


def load(variable: str, setting: str, adapter: TypeAdapter[ListT]) -> ListT:
    """The list, checked. Raises StartError: one sentence that names the variable and the place in the list."""
    try:
        text = setting if setting.lstrip().startswith("[") else read(Path(setting))
        return adapter.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise StartError(f"{variable}: {where + ': ' if where else ''}{first['msg']}") from None
    except (OSError, ValueError) as error:
        raise StartError(f"{variable} must be a JSON list, or the path of a file with one: {error}") from None


def read(path: Path) -> str:
    """A text file, to `MAX_FILE_BYTES`. Raises OSError, or ValueError where it is no text."""
    return first_bytes(path, MAX_FILE_BYTES).decode()
