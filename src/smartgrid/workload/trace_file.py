"""Opens a trace, `.csv` or `.csv.gz`; whatever is wrong with it is one sentence."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import error as ZlibError  # noqa: N812 - it is an exception class


class TraceError(ValueError):
    """The file cannot be used; the message is one sentence for the user."""


@contextmanager
def open_trace(path: Path) -> Iterator[Iterator[str]]:
    """The file's lines. What goes wrong while they are read is raised as TraceError."""
    try:
        with _open_text(path) as text:
            yield text
    except FileNotFoundError:
        raise TraceError(f"Trace file {path} does not exist.") from None
    except (gzip.BadGzipFile, EOFError, ZlibError):
        raise TraceError(f"Trace file {path} is named .gz but is not a whole gzip file.") from None
    except UnicodeDecodeError:
        raise TraceError(f"Trace file {path} is not UTF-8 text; is it a gzip file without .gz in its name?") from None
    except csv.Error as error:
        raise TraceError(f"Trace file {path} is not CSV: {error}.") from None
    except OSError as error:
        raise TraceError(f"Trace file {path} cannot be read: {error.strerror}.") from None


@contextmanager
def _open_text(path: Path) -> Iterator[Iterator[str]]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as text:
            yield text
    else:
        with path.open(encoding="utf-8-sig", newline="") as text:
            yield text
