"""OCPP's JSON schemas, from PyPI `ocpp`, compiled by jsonschema-rs when they are first needed.

Only the files of that package are used, not its code: importing `ocpp.v16` would load a message loop and a second
checker of schemas. All 387 schemas compile in a tenth of a second, a check takes a few microseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import islice
from typing import Any

import jsonschema_rs
from pydantic_core import from_json

from smartgrid.edge.ports import OcppVersion

REQUEST, RESPONSE = "Request", "Response"
_FOLDER = {OcppVersion.V16: "v16", OcppVersion.V201: "v201", OcppVersion.V21: "v21"}
_BOM = b"\xef\xbb\xbf"
MAX_VIOLATION_LENGTH = 200
MASK = "the value"
"""In place of what was told, in what is said of it: that may be a driver's tag."""


@cache
def _files(version: OcppVersion) -> dict[tuple[str, str], Traversable]:
    """By action and kind. In 1.6 and for a SEND of 2.1 a request's file bears the bare name of its action."""
    found: dict[tuple[str, str], Traversable] = {}
    for file in (resources.files("ocpp") / _FOLDER[version] / "schemas").iterdir():
        name, _, suffix = file.name.rpartition(".")
        if suffix != "json":
            continue
        kind = RESPONSE if name.endswith(RESPONSE) else REQUEST
        found[name.removesuffix(kind), kind] = file
    return found


@cache
def actions(version: OcppVersion) -> frozenset[str]:
    """All that can be asked in this version, by either side."""
    return frozenset(action for action, kind in _files(version) if kind == REQUEST)


@cache
def _validator(version: OcppVersion, action: str, kind: str) -> Any:
    content = _files(version)[action, kind].read_bytes().removeprefix(_BOM)
    return jsonschema_rs.validator_for(from_json(content), mask=MASK)


def violation(version: OcppVersion, action: str, kind: str, payload: Any) -> str | None:
    """What is wrong with a payload in one sentence, or None. Raises KeyError for an action that has no such schema."""
    validator = _validator(version, action, kind)
    if validator.is_valid(payload):
        return None
    found: Iterator[jsonschema_rs.ValidationError] = validator.iter_errors(payload)
    return "; ".join(
        f"{'.'.join(map(str, each.instance_path)) or action}: {_cut(each.message)}" for each in islice(found, 2)
    )


def _cut(text: str) -> str:
    return text if len(text) <= MAX_VIOLATION_LENGTH else f"{text[:MAX_VIOLATION_LENGTH]}…"
