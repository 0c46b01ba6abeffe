"""Writes reports so that a reader never sees half of one."""

import os
import tempfile
from pathlib import Path


class UnwritableError(Exception):
    """The file cannot be written; the message is one sentence for the user."""


def check_writable(path: Path) -> None:
    """Finds out before a run whether `path` can be written, and makes its folder. Raises UnwritableError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(21, "it is a folder")
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
    except OSError as problem:
        raise UnwritableError(_sentence(path, problem)) from None


def write_whole(path: Path, text: str) -> None:
    """Puts the text there at once: all of it or, with UnwritableError, nothing."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as problem:
        raise UnwritableError(_sentence(path, problem)) from None


def _sentence(path: Path, problem: OSError) -> str:
    return f"Cannot write {path}: {problem.strerror or problem}."
