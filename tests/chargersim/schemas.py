"""The OCA's JSON schemas, as PyPI `ocpp` has them: every word of a simulated charger is held against them in tests."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import ocpp

FOLDERS = {"ocpp1.6": "v16", "ocpp2.0.1": "v201", "ocpp2.1": "v21"}


def check(subprotocol: str, action: str, payload: object, *, is_answer: bool = False) -> None:
    """Raises `jsonschema_rs.ValidationError` where a payload is against the standard."""
    _validator(subprotocol, action, is_answer).validate(payload)


@cache
def _validator(subprotocol: str, action: str, is_answer: bool) -> Any:
    kind = "Response" if is_answer else "" if subprotocol == "ocpp1.6" else "Request"
    path = Path(ocpp.__file__).parent / FOLDERS[subprotocol] / "schemas" / f"{action}{kind}.json"
    return jsonschema_rs.validator_for(json.loads(path.read_text(encoding="utf-8-sig")))
