"""Structured logs: one JSON object a line on standard error."""

from __future__ import annotations

import hashlib
import logging
import secrets
import sys

from pythonjsonlogger.json import JsonFormatter

from smartgrid.protocol import tracing

_hash_key = secrets.token_bytes(32)


def configure(service: str, level: str, hash_key: str = "") -> None:
    """Log as `service`, from `level` up. Vehicles are hashed with `hash_key`, or a random key when it is empty."""
    global _hash_key  # noqa: PLW0603 - as logging itself, one configuration a process
    _hash_key = hashlib.blake2b(hash_key.encode(), digest_size=32).digest() if hash_key else _hash_key
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(service))
    handler.addFilter(_add_request_id)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # What no line shows need not be found out for each: the caller's place, thread and process.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _formatter(service: str) -> JsonFormatter:
    return JsonFormatter(
        ["asctime", "levelname", "name", "message", "request_id"],
        rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        static_fields={"service": service},
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )


def _add_request_id(record: logging.LogRecord) -> bool:
    record.request_id = tracing.current()
    return True


def vehicle(vehicle_id: str) -> str:
    """A vehicle as it may appear in a log: a keyed hash, the same for the same vehicle and key."""
    return hashlib.blake2b(vehicle_id.encode(), key=_hash_key, digest_size=8).hexdigest()
