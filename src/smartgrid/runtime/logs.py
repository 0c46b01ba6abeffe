"""Structured logs: one JSON object a line on standard error.

Every car makes a line in each service, so a line has to be cheap: what is the same in every line is put together once,
the time of day once a second, and what no line shows (the caller's place, thread, process) is not found out at all.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import sys
import time

from pydantic_core import to_json

from smartgrid.protocol import tracing

# What every record has (logging.LogRecord); all else came as `extra` and is shown.
_NOT_SHOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_hash_key = secrets.token_bytes(32)


def configure(service: str, level: str, hash_key: str = "") -> None:
    """Log as `service`, from `level` up. Vehicles are hashed with `hash_key`, or a random key when it is empty."""
    global _hash_key  # noqa: PLW0603 - as logging itself, one configuration a process
    _hash_key = hashlib.blake2b(hash_key.encode(), digest_size=32).digest() if hash_key else _hash_key
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.getLogger("_granian").setLevel(logging.WARNING)


class JsonLines(logging.Formatter):
    """Each record as one line of JSON: time, level, logger, message, request id, service, what came as `extra`."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service
        self._stamp = (0, "")

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self._time_of(int(record.created)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": tracing.current(),
            "service": self._service,
        }
        line.update((name, value) for name, value in vars(record).items() if name not in _NOT_SHOWN)
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack_info"] = record.stack_info
        return to_json(line, fallback=str).decode()

    def _time_of(self, second: int) -> str:
        stamp = self._stamp
        if second != stamp[0]:
            stamp = self._stamp = second, time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(second))
        return stamp[1]


def vehicle(vehicle_id: str) -> str:
    """A vehicle as it may appear in a log: a keyed hash, the same for the same vehicle and key."""
    return hashlib.blake2b(vehicle_id.encode(), key=_hash_key, digest_size=8).hexdigest()
