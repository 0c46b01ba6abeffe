"""Files that are no one else's business: who charges where, where substations are, keys and tokens."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

OWNER_ONLY = 0o600


def keep_private(database: Path) -> None:
    """Make an SQLite file that only its owner can read and write, or take the rights from all others.

    What SQLite puts beside it gets the same rights. Whoever may not do that is told so when the file is opened.
    """
    with suppress(OSError):
        os.close(os.open(database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY))
        for name in (database.name, f"{database.name}-wal", f"{database.name}-shm"):
            with suppress(FileNotFoundError):
                (database.parent / name).chmod(OWNER_ONLY)


def write_private(path: Path, content: bytes) -> None:
    """Replace a file as a whole by one that only its owner may read. Raises OSError."""
    partial = path.with_name(path.name + ".new")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    partial.replace(path)
